//! A Cloudflare on loopback: the v4 REST API and Workers on the real workerd.
