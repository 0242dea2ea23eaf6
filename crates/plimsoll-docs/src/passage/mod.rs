//! Text to passages: cut where a reader would cut.
