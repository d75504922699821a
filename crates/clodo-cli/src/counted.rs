/// A number of things as a person says it: `1 target`, `2 targets`.
#[must_use]
pub fn counted(count: usize, one: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {one}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        let said = [0, 1, 2].map(|count| counted(count, "target"));
        assert_eq!(said, ["0 targets", "1 target", "2 targets"]);
    }
}
