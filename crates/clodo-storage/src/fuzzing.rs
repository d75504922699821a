//! What is fuzzed: each function takes any bytes and panics only if something is wrong.

pub use crate::{
    bindings::binding_keys,
    d1::{d1_params, d1_queries, d1_statements},
};

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::{binding_keys, d1_params, d1_queries, d1_statements, replay::replay};

    #[test]
    fn statements_end_where_sqlites_tail_pointer_says() {
        replay("d1_statements", d1_statements);
    }

    #[test]
    fn parameters_come_back_as_they_were_given() {
        replay("d1_params", d1_params);
    }

    #[test]
    fn hostile_sql_stays_within_its_database() {
        replay("d1_queries", d1_queries);
    }

    #[test]
    fn a_key_is_what_was_encoded() {
        replay("binding_keys", binding_keys);
    }
}
