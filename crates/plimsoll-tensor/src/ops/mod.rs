//! Operations: each looks at its operands, makes the outcome, asks the stage to compute it, and, if a gradient is wanted,
//! writes its way back on the tape.

mod attention;
mod convolution;
mod elements;
mod layer;
mod loss;
mod norm;
mod product;
mod reduce;
mod rope;
mod softmax;
mod table;
mod views;

pub use layer::Weight;
pub use loss::counted;
