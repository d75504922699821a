//! A typed client of Cloudflare's v4 API.
