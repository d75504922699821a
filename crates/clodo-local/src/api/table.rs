//! A router that can say what is in it: axum's own keeps that to itself.

use super::ApiContext;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    http::Method,
    routing::{MethodFilter, MethodRouter, on},
};
use std::sync::Arc;

type Cx = Arc<ApiContext>;

/// A route of Cloudflare's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRoute {
    /// Such as `PUT`.
    pub method: Method,
    /// What follows `/client/v4`, with names in braces: `/zones/{zone}/dns_records`.
    pub template: String,
}

/// Routes, each with its methods.
#[derive(Debug, Default)]
pub(super) struct Table {
    router: Router<Cx>,
    routes: Vec<ApiRoute>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn route(mut self, path: &str, methods: Methods) -> Self {
        let route = |method| ApiRoute { method, template: path.to_owned() };
        self.routes.extend(methods.methods.into_iter().map(route));
        Self { router: self.router.route(path, methods.router), routes: self.routes }
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.routes.extend(other.routes);
        Self { router: self.router.merge(other.router), routes: self.routes }
    }

    pub(super) fn nest(mut self, prefix: &str, below: Self) -> Self {
        let nested = below.routes.into_iter().map(|route| ApiRoute {
            template: match route.template.as_str() {
                "/" => prefix.to_owned(),
                path => format!("{prefix}{path}"),
            },
            ..route
        });
        self.routes.extend(nested);
        Self { router: self.router.nest(prefix, below.router), routes: self.routes }
    }

    pub(super) fn into_router(self) -> Router<Cx> {
        self.router
    }

    pub(super) fn into_routes(self) -> Vec<ApiRoute> {
        self.routes
    }
}

/// What answers one path, method by method; the words are axum's.
#[derive(Debug)]
pub(super) struct Methods {
    router: MethodRouter<Cx>,
    methods: Vec<Method>,
}

macro_rules! methods {
    ($($word:ident = $method:ident,)+) => {
        $(
        pub(super) fn $word<H: Handler<T, Cx>, T: 'static>(handler: H) -> Methods {
            let router = on(MethodFilter::$method, handler);
            Methods { router, methods: vec![Method::$method] }
        }
        )+

        impl Methods {
            $(
            pub(super) fn $word<H: Handler<T, Cx>, T: 'static>(self, handler: H) -> Self {
                self.merge($word(handler))
            }
            )+
        }
    };
}

methods! {
    get = GET,
    post = POST,
    put = PUT,
    patch = PATCH,
    delete = DELETE,
}

impl Methods {
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.methods.extend(other.methods);
        Self { router: self.router.merge(other.router), methods: self.methods }
    }

    /// Bodies of any size: the handler reads them as they come.
    pub(super) fn of_any_size(self) -> Self {
        Self { router: self.router.layer(DefaultBodyLimit::disable()), methods: self.methods }
    }
}
