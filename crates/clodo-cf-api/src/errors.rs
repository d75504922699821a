//! What can go wrong, what is repeated, how calls are paced.
//!
//! # Example
#![cfg_attr(feature = "reqwest", doc = "```")]
#![cfg_attr(not(feature = "reqwest"), doc = "```ignore")]
#![doc = include_str!("../docs/errors.rs")]
//! ```
#![doc = include_str!("../docs/errors.md")]

#[doc(no_inline)]
pub use crate::{
    ApiError, ApiErrorKind, ApiMessage, BreakerKey, BreakerOptions, BreakerState, Client,
    ClientOptions, Pacer, RateLimits, Repeat, RetryPolicy, TokenBucket, TripRule, Unpaced,
};
