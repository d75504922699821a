use clodo_types::Timestamp;

/// A number of bytes for people.
pub(crate) fn sized(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1_000 {
        return if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") };
    }
    let (mut tenths, mut unit) = (bytes / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        (tenths, unit) = (tenths / 1_000, unit + 1);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// As `3 tables, 12 rows`.
pub(crate) fn counted_rows<'r>(rows: impl IntoIterator<Item = &'r u64>) -> String {
    let (mut tables, mut all) = (0, 0_u64);
    for count in rows {
        (tables, all) = (tables + 1, all.saturating_add(*count));
    }
    let tables = clodo_cli::counted(tables, "table");
    let ending = if all == 1 { "" } else { "s" };
    format!("{tables}, {all} row{ending}")
}

/// A moment in RFC 3339, to the second, in UTC.
pub(crate) fn moment(at: Timestamp) -> String {
    let seconds = at.as_millis().div_euclid(1_000);
    let text = jiff::Timestamp::from_second(seconds).map(|at| at.to_string());
    // Years of five digits have no such form.
    text.unwrap_or_else(|_| format!("{} ms after 1970", at.as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_sizes_rows_and_moments() {
        let sizes = [0, 1, 999, 1_000, 12_345, 999_999, 1_000_000, 10_000_000_000, u64::MAX];
        let shown = sizes.map(sized);
        let want = [
            "0 bytes",
            "1 byte",
            "999 bytes",
            "1.0 kB",
            "12.3 kB",
            "999.9 kB",
            "1.0 MB",
            "10.0 GB",
            "18446.7 PB",
        ];
        assert_eq!(shown, want);
        assert_eq!(counted_rows(&[1, 0]), "2 tables, 1 row");
        assert_eq!(counted_rows(&[12]), "1 table, 12 rows");
        assert_eq!(moment(Timestamp::from_millis(1_793_577_600_999)), "2026-11-02T00:00:00Z");
        assert_eq!(moment(Timestamp::from_millis(-1)), "1969-12-31T23:59:59Z");
        assert!(moment(Timestamp::from_millis(i64::MAX)).ends_with("after 1970"));
    }
}
