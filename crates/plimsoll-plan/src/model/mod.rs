//! What a model is: its hyper-parameters, and its tensors as a file has them or as they follow from the former.

mod hyper;
#[expect(clippy::module_inception, reason = "the noun itself stands in a file of its name")]
mod model;
mod tensor;
mod tensor_type;

pub use hyper::{Attention, Experts, Ffn, Hyper, Layer, Mla, Recurrent, RecurrentKind};
pub use model::{Doubt, Model, Origin};
pub use tensor::{Seat, Tensor};
pub use tensor_type::{ParseTensorTypeError, TensorType};
