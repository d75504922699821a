//! Questions, and what happens when nobody answers.

use clodo_cli::{CliError, Exit, Streams, Ui, UiOptions};

fn asked<T>(answers: Option<&str>, ask: impl FnOnce(&Ui) -> T) -> (T, String) {
    let (mut streams, captured) = Streams::captured();
    if let Some(answers) = answers {
        streams = streams.with_answers(answers);
    }
    let answer = ask(&Ui::new(streams, UiOptions::default()));
    (answer, captured.err())
}

fn confirm(ui: &Ui) -> Result<bool, CliError> {
    ui.confirm("Deploy to production?", "--yes")
}

#[test]
fn only_a_yes_is_a_yes() {
    for (answers, expected) in
        [("y\n", true), ("YES\r\n", true), ("n\n", false), ("\n", false), ("what\n  yes \n", true)]
    {
        assert_eq!(asked(Some(answers), confirm).0.unwrap(), expected, "{answers:?}");
    }
}

#[test]
fn without_a_terminal_the_missing_flag_is_named() {
    for answers in [None, Some("")] {
        let (answer, _) = asked(answers, confirm);
        let error = answer.unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        assert_eq!(error.hint(), Some("give `--yes`"));
        assert_eq!(error.to_string(), "nobody is there to answer: Deploy to production?");
    }
}

#[test]
fn a_list_asks_nobody_who_is_not_there() {
    let options = ["staging".to_owned(), "production".to_owned()];
    for answers in [None, Some("")] {
        let (answer, shown) = asked(answers, |ui: &Ui| ui.pick("Environment?", &options, "--env"));
        let error = answer.unwrap_err();
        assert_eq!((error.exit(), error.hint()), (Exit::Usage, Some("give `--env`")));
        assert_eq!(shown, "");
        let (answer, _) = asked(answers, |ui: &Ui| ui.pick_several("Which?", &options, "--yes"));
        assert_eq!(answer.unwrap_err().hint(), Some("give `--yes`"));
    }
}
