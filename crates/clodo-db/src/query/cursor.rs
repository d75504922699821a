use crate::{backup::Cell, value::Value};
use sha2::{Digest as _, Sha256};

/// A list cannot be read on by this cursor. The message does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// It is damaged, made up, or of a list in another order.
    #[error("the cursor is none of this list")]
    NoCursor,
    /// The rows do not have the keys of this order.
    #[error("the rows are not those of this page")]
    NoKeys,
    /// A key that was said to be there in all rows is not.
    #[error("column `{column}` has no value in a row, although the order says that it always has")]
    NullKey {
        /// The key.
        column: &'static str,
    },
    /// A key is text that is not UTF-8, which is no parameter.
    #[error("column `{column}` holds text in a row that is not UTF-8")]
    OddKey {
        /// The key.
        column: &'static str,
    },
}

/// Between the parts of a cursor; in a URL it stands for itself.
const SEPARATOR: char = '~';

/// A cursor: what it is of, and the keys.
pub(super) fn text(cells: &[&str], identity: &str) -> String {
    // An exponent needs no plus, which a URL would take for a blank.
    let cells = cells.join("~").replace('+', "");
    format!("{}{SEPARATOR}{cells}", seal(&cells, identity))
}

/// The keys of a cursor from outside.
pub(super) fn read_text(cursor: &str, identity: &str) -> Result<Vec<Value>, CursorError> {
    let (found, cells) = cursor.split_once(SEPARATOR).ok_or(CursorError::NoCursor)?;
    if found != seal(cells, identity) {
        return Err(CursorError::NoCursor);
    }
    let keys = cells.split(SEPARATOR).map(read_key).collect::<Option<Vec<_>>>();
    keys.ok_or(CursorError::NoCursor)
}

/// Enough to notice what was cut off, mistyped, or is of another list. It is no signature.
fn seal(cells: &str, identity: &str) -> String {
    let digest = Sha256::new().chain_update(identity).chain_update("\0").chain_update(cells);
    hex::encode(&digest.finalize()[..6])
}

/// A key as a select carries it.
pub(super) fn read_key(cell: &str) -> Option<Value> {
    Some(match Cell::read(cell)? {
        Cell::Null => Value::Null,
        Cell::Integer(number) => Value::Integer(number),
        Cell::Real(number) if number.is_nan() => return None,
        Cell::Real(number) => Value::Real(number),
        Cell::Text(text) => Value::Text(text),
        Cell::Blob(bytes) => Value::Blob(hex::decode(bytes).ok()?),
        Cell::Odd(_) | Cell::Later { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    #[test]
    fn a_cursor_is_of_one_order_and_comes_back_whole() {
        let cursor = text(&["i5", "r1.5e+00", "h6127", "n", "bff"], "`a`+,`b`-");
        assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)));
        let keys = read_text(&cursor, "`a`+,`b`-").unwrap();
        let blob = Value::Blob(vec![255]);
        assert_eq!(keys, [5.into(), 1.5.into(), "a'".into(), Value::Null, blob]);
        assert_eq!(read_text(&cursor, "`a`+,`b`+"), Err(CursorError::NoCursor));
        for at in 0..cursor.len() {
            assert!(read_text(&cursor[..at], "`a`+,`b`-").is_err());
        }
    }

    proptest! {
        #[test]
        fn what_is_no_cursor_is_refused(given in any::<String>()) {
            prop_assert_eq!(read_text(&given, "`a`+"), Err(CursorError::NoCursor));
        }

        #[test]
        fn a_made_up_cursor_has_only_values(cells in "[a-zT\\PC]{0,20}") {
            let cursor = format!("{}~{cells}", seal(&cells, "`a`+"));
            // It is read or refused, and whatever comes out is a parameter.
            if let Ok(keys) = read_text(&cursor, "`a`+") {
                prop_assert_eq!(keys.len(), 1 + cells.matches('~').count());
            }
        }
    }
}
