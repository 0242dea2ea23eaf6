pub mod order;
pub mod price;
pub mod shelf;
