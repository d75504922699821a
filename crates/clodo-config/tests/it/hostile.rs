use crate::SHOP;
use clodo_config::{Portfolio, Selection};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

/// Whatever the input: an answer, and errors that have places.
fn survives(bytes: &[u8]) {
    match Portfolio::parse_bytes("clodo.toml", bytes) {
        Ok(portfolio) => {
            let _ = portfolio.select(&Selection::default());
        }
        Err(errors) => {
            assert!(!errors.errors().is_empty());
            assert!(errors.errors().iter().all(|error| error.at.line > 0 && error.at.column > 0));
            assert!(!errors.to_string().is_empty());
        }
    }
}

/// Words of the file's own language, so that more than the TOML parser is reached.
fn any_word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(SHOP.split_inclusive([' ', '\n', '.', '=']).collect::<Vec<_>>())
            .prop_map(str::to_owned),
        prop::sample::select(vec![
            "\n[",
            "]\n",
            " = ",
            "{",
            "}",
            "[]",
            "\"",
            "nan",
            "1979-05-27",
            "\u{e4}"
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ]
}

fn mutated() -> impl Strategy<Value = String> {
    let lines: Vec<String> = SHOP.split_inclusive('\n').map(str::to_owned).collect();
    let count = lines.len();
    let change = (0..count, prop_oneof![Just(None), any_word().prop_map(Some)]);
    prop::collection::vec(change, 1..6).prop_map(move |changes| {
        let mut lines = lines.clone();
        for (line, word) in changes {
            match word {
                None => lines[line].clear(),
                Some(word) => {
                    let middle = lines[line].len() / 2;
                    let middle = (0..=middle).rev().find(|at| lines[line].is_char_boundary(*at));
                    lines[line].insert_str(middle.unwrap_or(0), &word);
                }
            }
        }
        lines.concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn no_text_makes_it_panic(words in prop::collection::vec(any_word(), 0..60)) {
        survives(words.concat().as_bytes());
    }

    #[test]
    fn no_change_to_a_valid_file_makes_it_panic(text in mutated()) {
        survives(text.as_bytes());
    }

    #[test]
    fn no_cut_makes_it_panic(at in 0..SHOP.len()) {
        survives(&SHOP.as_bytes()[..at]);
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    for text in
        ["[".repeat(100_000), "a = ".to_owned() + &"[".repeat(100_000), "a.".repeat(100_000)]
    {
        survives(text.as_bytes());
    }
}

#[test]
fn a_file_with_ten_thousand_mistakes_is_reported_quickly_and_briefly() {
    let text: String = (0..10_000).map(|n| format!("key{n} = 1\n")).collect();
    let errors = Portfolio::parse("clodo.toml", &text).unwrap_err();
    assert_eq!(errors.errors().len(), 100);
}

#[test]
fn a_file_of_more_than_ten_megabytes_is_refused() {
    let text = "#".repeat(10 * 1024 * 1024 + 1);
    let errors = Portfolio::parse("clodo.toml", &text).unwrap_err();
    assert_eq!(errors.to_string(), "clodo.toml:1:1: the file is larger than 10 MB");
}

#[test]
fn a_thousand_customers_are_read_and_selected() {
    let mut text =
        String::from("[portfolio]\nname = \"p\"\n[accounts.main]\nzones = [\"x.test\"]\n");
    for service in ["a", "b", "c"] {
        text.push_str(&format!("[services.{service}]\npath = \"{service}\"\n"));
    }
    for customer in 0..1_000 {
        text.push_str(&format!(
            "[customers.c{customer}]\nvars = {{ A = \"{customer}\", B = 2 }}\n\
             domains = {{ development.a = \"a{customer}.x.test\" }}\n"
        ));
    }
    let portfolio = crate::portfolio(&text);
    assert_eq!(portfolio.select(&Selection::default()).unwrap().len(), 3_000);
}

/// Large inputs that would take minutes if any step were quadratic.
#[test]
fn large_files_are_read_in_linear_time() {
    let many = |line: &dyn Fn(usize) -> String| (0..8_000).map(line).collect::<String>();
    let head = "[portfolio]\nname = \"p\"\n";
    let next = |n: usize| (n + 1) % 8_000;
    for text in [
        many(&|n| format!("[services.s{n}]\npath = \"s{n}\"\ndepends_on = [\"s{}\"]\n", next(n))),
        many(&|n| format!("[customers.c{n}.domains]\nproduction.nope = \"x{n}.test\"\n")),
        format!("[accounts.main]\nzones = [{}]\n", many(&|n| format!("\"z{n}.test\", "))),
        format!("[vars]\nA = [{}]\n", many(&|n| format!("{{ b = {n} }}, "))),
        format!("[vars]\n{}", many(&|n| format!("{n}-x = 1\n"))),
    ] {
        let Err(errors) = Portfolio::parse("clodo.toml", &format!("{head}{text}")) else {
            panic!("it has no usable service");
        };
        assert!(errors.to_string().len() < 100_000);
    }
}
