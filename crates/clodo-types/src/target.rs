use crate::names::{AccountName, CustomerName, EnvironmentName, ServiceName};
use std::fmt;

/// What a deployment changes: one Worker, named by service, environment, customer and account.
///
/// Its domains are attributes, not part of its identity.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct TargetId {
    /// The service.
    pub service: ServiceName,
    /// The environment.
    pub environment: EnvironmentName,
    /// The customer, in a portfolio that has any.
    pub customer: Option<CustomerName>,
    /// The account that the Worker lives in.
    pub account: AccountName,
}

impl fmt::Display for TargetId {
    /// `orders@staging` or `orders@staging/acme`; the account is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.service, self.environment)?;
        match &self.customer {
            Some(customer) => write!(f, "/{customer}"),
            None => Ok(()),
        }
    }
}
