//! The statements, functions and pragmas that D1 lets through; all else is refused.

use clodo_sqlite::rusqlite::hooks::{AuthAction, AuthContext};

/// Whether a statement may contain this.
pub(super) fn action(context: &AuthContext<'_>) -> bool {
    // Where others report the database's name, this one reports a column's.
    if let AuthAction::AlterTable { database_name: "main", table_name } = context.action {
        return name(table_name);
    }
    match context.database_name {
        None | Some("main") => in_main(&context.action),
        // `ALTER TABLE` looks for temporary triggers and views; nobody can make any.
        Some("temp") => matches!(
            context.action,
            AuthAction::Select | AuthAction::Read { .. } | AuthAction::Update { .. }
        ),
        Some(_) => false,
    }
}

fn in_main(action: &AuthAction<'_>) -> bool {
    use AuthAction::{
        Analyze, CreateIndex, CreateTable, CreateTrigger, CreateView, CreateVtable, Delete,
        DropIndex, DropTable, DropTrigger, DropView, DropVtable, Function, Insert, Pragma, Read,
        Recursive, Reindex, Select, Update,
    };
    match *action {
        Select | Recursive | Analyze { .. } => true,
        CreateTable { table_name }
        | DropTable { table_name }
        | Insert { table_name }
        | Delete { table_name }
        | Update { table_name, .. } => name(table_name),
        // The bundled build has this table about the file's pages, and D1 has not.
        Read { table_name, .. } => name(table_name) && !table_name.eq_ignore_ascii_case("dbstat"),
        CreateView { view_name } | DropView { view_name } => name(view_name),
        Reindex { index_name } => name(index_name),
        CreateIndex { index_name: own, table_name }
        | DropIndex { index_name: own, table_name }
        | CreateTrigger { trigger_name: own, table_name }
        | DropTrigger { trigger_name: own, table_name } => name(own) && name(table_name),
        CreateVtable { table_name, module_name } | DropVtable { table_name, module_name } => {
            MODULES.iter().any(|module| module.eq_ignore_ascii_case(module_name))
                && name(table_name)
        }
        Function { function_name } => function(function_name),
        Pragma { pragma_name, pragma_value } => pragma(pragma_name, pragma_value),
        _ => false,
    }
}

/// D1 keeps names that begin with `_cf_` to itself.
pub(super) fn name(name: &str) -> bool {
    !name.as_bytes().first_chunk::<4>().is_some_and(|head| head.eq_ignore_ascii_case(b"_cf_"))
}

fn function(name: &str) -> bool {
    FUNCTIONS.iter().any(|group| group.split(' ').any(|known| known.eq_ignore_ascii_case(name)))
}

fn pragma(pragma: &str, value: Option<&str>) -> bool {
    let lower = pragma.to_ascii_lowercase();
    match lower.as_str() {
        "data_version" | "page_size" => value.is_none(),
        "table_list" => true,
        "case_sensitive_like"
        | "foreign_keys"
        | "defer_foreign_keys"
        | "legacy_alter_table"
        | "ignore_check_constraints"
        | "recursive_triggers"
        | "reverse_unordered_selects" => value.is_none_or(boolean),
        "foreign_key_check" | "quick_check" => value.is_none_or(name),
        "table_info" | "table_xinfo" | "foreign_key_list" | "index_info" | "index_list"
        | "index_xinfo" => value.is_some_and(name),
        "optimize" => value.is_none_or(|value| value.parse::<i32>().is_ok()),
        _ => false,
    }
}

fn boolean(value: &str) -> bool {
    let bare = value.trim_matches(['\'', '"']).to_ascii_lowercase();
    matches!(bare.as_str(), "true" | "false" | "yes" | "no" | "on" | "off" | "1" | "0")
}

const MODULES: &[&str] = &["fts5", "fts5vocab", "rtree", "rtree_i32"];

/// By chapter of SQLite's manual. Absent on purpose: what tells about the build
/// (`sqlite_version`, `sqlite_compileoption_used` …) and `load_extension`.
const FUNCTIONS: &[&str] = &[
    "abs changes char coalesce concat concat_ws format glob hex if ifnull iif instr",
    "last_insert_rowid length like likelihood likely lower ltrim max min nullif octet_length",
    "printf quote random randomblob replace round rtrim sign soundex substr substring",
    "total_changes trim typeof unhex unicode unistr unistr_quote unlikely upper zeroblob",
    "date time datetime julianday unixepoch strftime timediff",
    "current_date current_time current_timestamp",
    "avg count group_concat string_agg sum total median percentile percentile_cont",
    "row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value",
    "nth_value",
    "acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10",
    "log2 mod pi pow power radians sin sinh sqrt tan tanh trunc",
    "json jsonb json_array jsonb_array json_array_length json_array_insert jsonb_array_insert",
    "json_extract jsonb_extract -> ->> json_insert jsonb_insert json_object jsonb_object",
    "json_patch jsonb_patch json_pretty json_remove jsonb_remove json_replace jsonb_replace",
    "json_set jsonb_set json_type json_valid json_error_position json_quote json_group_array",
    "jsonb_group_array json_group_object jsonb_group_object json_each json_tree jsonb_each",
    "jsonb_tree",
    "match highlight bm25 snippet fts5_get_locale fts5_locale fts5_insttoken rtreecheck",
    // `ALTER TABLE` is written in terms of these.
    "sqlite_rename_column sqlite_rename_table sqlite_rename_test sqlite_drop_column",
    "sqlite_rename_quotefix sqlite_drop_constraint sqlite_add_constraint sqlite_fail",
    "sqlite_find_constraint",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_pragmas_are_judged_without_regard_to_case() {
        assert!(name("cf_x") && name("_c") && name("ü"));
        assert!(!name("_cf_KV") && !name("_CF_kv"));
        assert!(pragma("table_info", Some("t")) && !pragma("table_info", None));
        assert!(pragma("FOREIGN_KEYS", Some("OFF")) && !pragma("foreign_keys", Some("x")));
        assert!(!pragma("journal_mode", Some("DELETE")) && !pragma("page_size", Some("512")));
        assert!(!pragma("writable_schema", Some("1")));
        assert!(function("COUNT") && function("json_extract"));
        assert!(!function("sqlite_version") && !function("load_extension"));
    }
}
