use crate::vars::Vars;
use clodo_types::{BindingName, Location};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// Where a value came from, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Origin {
    /// The file's `[vars]`, or what Clodo does when nobody says anything.
    Default,
    /// The service.
    Service,
    /// The environment.
    Environment,
    /// The service in that environment.
    ServiceInEnvironment,
    /// The customer.
    Customer,
    /// The customer in that environment.
    CustomerInEnvironment,
    /// The process environment: `CLODO_VAR_<NAME>`.
    ProcessEnvironment,
    /// The command line.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Default => "default",
            Self::Service => "service",
            Self::Environment => "environment",
            Self::ServiceInEnvironment => "service in this environment",
            Self::Customer => "customer",
            Self::CustomerInEnvironment => "customer in this environment",
            Self::ProcessEnvironment => "process environment",
            Self::CommandLine => "command line",
        })
    }
}

/// A value that knows where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// The level that it came from.
    pub origin: Origin,
    /// Its place in the file, for what came from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
}

impl<T> Sourced<T> {
    pub(crate) fn new(value: T, origin: Origin) -> Self {
        Self { value, origin, at: None }
    }
}

/// The variables of one level.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The level.
    pub origin: Origin,
    /// What it sets, with the place in the file where there is one.
    pub vars: BTreeMap<BindingName, (Value, Option<Location>)>,
}

impl Layer {
    pub(crate) fn of_file(origin: Origin, vars: &Vars) -> Self {
        let pair = |(name, var): (&BindingName, &crate::placed::Placed<Value>)| {
            (name.clone(), (var.value.clone(), Some(var.at.clone())))
        };
        Self { origin, vars: vars.iter().map(pair).collect() }
    }

    pub(crate) fn of_texts(origin: Origin, texts: &BTreeMap<BindingName, String>) -> Self {
        let pair = |(name, text): (&BindingName, &String)| {
            (name.clone(), (Value::String(text.clone()), None))
        };
        Self { origin, vars: texts.iter().map(pair).collect() }
    }
}

/// What counts when several levels speak: for each name the strongest level that sets it,
/// whatever the order of `layers`. Whole values replace each other; tables are not merged.
#[must_use]
pub fn effective(layers: &[Layer]) -> BTreeMap<BindingName, Sourced<Value>> {
    let mut order: Vec<&Layer> = layers.iter().collect();
    order.sort_by_key(|layer| layer.origin);
    let mut vars = BTreeMap::new();
    for layer in order {
        for (name, (value, at)) in &layer.vars {
            let sourced = Sourced { value: value.clone(), origin: layer.origin, at: at.clone() };
            vars.insert(name.clone(), sourced);
        }
    }
    vars
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, any, prop, proptest};

    const ORIGINS: [Origin; 8] = [
        Origin::Default,
        Origin::Service,
        Origin::Environment,
        Origin::ServiceInEnvironment,
        Origin::Customer,
        Origin::CustomerInEnvironment,
        Origin::ProcessEnvironment,
        Origin::CommandLine,
    ];

    /// Each level at most once, in any order, with a few names of which many are shared.
    fn any_layers() -> impl Strategy<Value = Vec<Layer>> {
        let vars = prop::collection::btree_map("[A-D]", any::<u8>(), 0..4);
        let layer = |(origin, vars): (Origin, BTreeMap<String, u8>)| Layer {
            origin,
            vars: vars
                .into_iter()
                .map(|(name, value)| (name.parse().unwrap(), (Value::from(value), None)))
                .collect(),
        };
        let some = prop::sample::subsequence(ORIGINS.to_vec(), 0..=ORIGINS.len()).prop_shuffle();
        some.prop_flat_map(move |origins| {
            let vars = prop::collection::vec(vars.clone(), origins.len());
            vars.prop_map(move |all| origins.iter().copied().zip(all).map(layer).collect())
        })
    }

    proptest! {
        #[test]
        fn the_strongest_level_that_sets_a_name_wins_and_is_named(layers in any_layers()) {
            let found = effective(&layers);
            for name in ["A", "B", "C", "D"] {
                let strongest = layers
                    .iter()
                    .filter(|layer| layer.vars.contains_key(name))
                    .max_by_key(|layer| layer.origin);
                match (found.get(name), strongest) {
                    (None, None) => {}
                    (Some(found), Some(layer)) => {
                        assert_eq!(found.origin, layer.origin);
                        assert_eq!(found.value, layer.vars[name].0);
                    }
                    other => panic!("{name}: {other:?}"),
                }
            }
        }
    }
}
