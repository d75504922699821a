//! Who may do what: permission groups, the policies of tokens, and what each route demands.

mod address;
mod credentials;
mod demand;
mod groups;
mod policy;
mod rights;

pub(crate) use address::IpRange;
pub(crate) use credentials::{Caller, identify, in_force};
pub(crate) use demand::{Demand, Need, Refusal};
pub(crate) use groups::{GROUPS, Group, group_by_id, group_by_name};
pub(crate) use policy::{Policy, ResourceValue, everything_in};
pub(crate) use rights::{Place, similar};
