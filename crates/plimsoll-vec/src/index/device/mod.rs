//! An index that a device searches: its codes stay in the device's memory as far as its account has room, and the rest
//! streams in from the disk, through memory of the host.
//!
//! | part | what |
//! |---|---|
//! | `on_device` | [`OnDevice`]: asked what a search would take, and for the search |
//! | `forecast` | what it takes, known before. Pure |
//! | `store` | codes on the device: those that stay, and the ring |
//! | `pass` | one look at everything |
//! | `among` | what looking into some lists takes. Pure |
//! | `middles` | which lists queries look into |
//! | `lists` | the part of a pass that looks into lists |

mod among;
mod forecast;
mod lists;
mod middles;
mod on_device;
mod pass;
mod store;

pub use forecast::DeviceShare;
pub use on_device::OnDevice;
