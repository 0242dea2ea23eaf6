//! CUDA memory as a Plimsoll device, loaded at run time: a program built without CUDA starts anywhere.
