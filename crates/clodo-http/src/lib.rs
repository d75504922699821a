//! One seam for HTTP: a request in, a response out, bodies stream.
