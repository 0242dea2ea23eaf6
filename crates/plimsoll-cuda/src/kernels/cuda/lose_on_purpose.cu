// Ends in a fault, after which the driver refuses everything in this context: how a test loses its device.

extern "C" __global__ void lose_on_purpose() { __trap(); }
