use crate::applying::files;
use clodo_db::lint;

fn found(texts: &[(&str, &str)], from: usize) -> String {
    let lines = lint(&files(texts), from).into_iter().map(|finding| {
        let at = finding.at.map(|at| at.to_string()).unwrap_or_default();
        format!("{:?} {at} {}: {}\n", finding.severity, finding.rule, finding.message)
    });
    lines.collect()
}

#[test]
fn files_are_checked_without_a_database() {
    let all = [
        (
            "1.sql",
            "CREATE TABLE p (id INTEGER PRIMARY KEY, a);\n\
             CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE);\n\
             CREATE INDEX by_a ON p (a);\nCREATE TRIGGER t AFTER INSERT ON p BEGIN SELECT 1; END;",
        ),
        (
            "2.sql",
            "ALTER TABLE p ADD COLUMN b NOT NULL;\nCREATE UNIQUE INDEX u ON p (a);\n\
             PRAGMA foreign_keys = OFF;\n-- clodo:allow delete-all\nSELECT 1;",
        ),
        (
            "3.sql",
            "CREATE TABLE n (id INTEGER PRIMARY KEY, a, b);\nINSERT INTO n SELECT id, a, b FROM p;\n\
             DROP TABLE p;\nALTER TABLE n RENAME TO p;",
        ),
        ("4.sql", "-- nothing"),
        ("5.sql", "DROP TABLE c;"),
        ("6.sql", "DROP TABLE missing;"),
    ];
    insta::assert_snapshot!(found(&all, 0));
    assert_eq!(found(&all[..4], 4), "");
    let later = found(&all, 5);
    assert!(later.contains("no such table: missing"), "{later}");
}
