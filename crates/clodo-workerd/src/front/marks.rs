//! What the front and an API behind it tell each other about a request.

use std::net::IpAddr;

/// In a request's extensions: the address that the connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// In an answer's extensions: close the connection and send nothing, as a server does that dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hangup;
