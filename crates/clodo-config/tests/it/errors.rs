use clodo_config::Portfolio;
use insta::assert_snapshot;

/// Stands in front of most cases, so that only what is wrong speaks.
const HEAD: &str = "[portfolio]\nname = \"p\"\n[services.a]\npath = \"a\"\n";
const ZONE: &str = "[accounts.main]\nzones = [\"acme.test\"]\n";

/// What a person sees for each text.
fn told<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let one = |text: &str| match Portfolio::parse("clodo.toml", text) {
        Ok(_) => format!("valid: {text}"),
        Err(errors) => errors.to_string(),
    };
    texts.into_iter().map(one).collect::<Vec<_>>().join("\n\n----\n\n")
}

fn told_after_head(texts: &[&str]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("{HEAD}{text}")).collect();
    told(texts.iter().map(String::as_str))
}

#[test]
fn an_unknown_key_says_what_was_meant() {
    let told = told_after_head(&[
        "[accounts.main]\nzone = [\"acme.test\"]\n",
        "[customer.acme]\n",
        "[banana]\n",
        "[environments.x]\nstratgy = 1\n[customers.acme.environments.y]\n",
        "services.b = 3\n",
    ]);
    assert_snapshot!(told);
}

#[test]
fn a_wrong_type_says_what_was_expected() {
    let told = told_after_head(&[
        "[accounts.main]\nzones = 3\n",
        "[accounts.main]\nzones = [\"acme.test\", 3]\n",
        "[accounts]\nmain = \"x\"\n",
        "[customers.acme]\ndomains = { staging = \"z.acme.test\" }\n",
        "[vars]\nA = 2024-01-01\nB = nan\nC = [1, inf]\n",
        "strategy = 3\n",
        "[environments.staging]\ndomains = 1\nvars = \"x\"\n",
    ]);
    assert_snapshot!(told);
}

#[test]
fn a_syntax_error_points_at_its_place() {
    let told = told_after_head(&[
        "[accounts.main\nzones = []\n",
        "[accounts.main]\nzones = [\"a.test\"\n[vars]\n",
        "[accounts.main]\nid = \"abc\n",
        "[vars]\nA = 1\nA = 2\n",
        "[services.a]\nhealth = \"/x\"\n",
        "[vars]\n\u{1b}[31m = 1\n",
    ]);
    assert_snapshot!(told);
}

#[test]
fn an_invalid_name_says_what_is_allowed() {
    let told = told_after_head(&[
        "[customers.\"Acme Inc\"]\n",
        "[vars]\n\"b c\" = 1\n1C = \"x\"\n",
        &format!(
            "{ZONE}[domains]\nproduction.a = [\"Shop.acme.test\", \"https://acme.test\", 3]\n"
        ),
        "[accounts.main]\nid = \"123\"\n",
    ]);
    assert_snapshot!(told);
}

#[test]
fn a_reference_to_nothing_says_what_there_is() {
    let told = told_after_head(&[
        "depends_on = [\"b\"]\n",
        "[customers.acme]\naccount = \"mian\"\n[accounts.main]\n",
        &format!(
            "{ZONE}[customers.acme.domains]\nprod.a = \"x.acme.test\"\nproduction.b = \"y.acme.test\"\n"
        ),
        "[services.a.environments.live]\n",
        "[environments.live]\npromote_from = \"live\"\n[environments.next]\npromote_from = \"lvie\"\n",
    ]);
    assert_snapshot!(told);
}

#[test]
fn a_circle_of_services_is_named() {
    let told = told_after_head(&[
        "depends_on = [\"b\"]\n[services.b]\npath = \"b\"\ndepends_on = [\"c\"]\n\
         [services.c]\npath = \"c\"\ndepends_on = [\"a\"]\n",
        "depends_on = [\"a\"]\n",
    ]);
    assert_snapshot!(told);
}

#[test]
fn an_account_must_be_chosen_where_there_are_several() {
    let told = told_after_head(&[
        "[accounts.one]\n[accounts.two]\n[customers.acme]\n",
        "[accounts.one]\n[accounts.two]\n",
        "[accounts.one]\nzones = [\"acme.test\"]\n[accounts.two]\nzones = [\"acme.test\"]\n\
         [customers.acme]\naccount = \"one\"\n",
    ]);
    assert_snapshot!(told);
}

#[test]
fn a_hostname_belongs_to_one_target_and_one_zone() {
    let told = told_after_head(&[
        &format!(
            "{ZONE}[customers.acme.domains]\nproduction.a = \"shop.acme.test\"\n\
             [customers.bolt.domains]\nproduction.a = \"shop.acme.test\"\n"
        ),
        &format!("{ZONE}[domains]\nproduction.a = [\"b.acme.test\", \"b.acme.test\"]\n"),
        &format!("{ZONE}[domains]\nproduction.a = \"shop.acme.tset\"\n"),
        "[domains]\nproduction.a = \"shop.acme.test\"\n",
        &format!("{ZONE}[domains]\nproduction.a = \"shop.acme.test\"\n[customers.acme]\n"),
    ]);
    assert_snapshot!(told);
}

#[test]
fn a_word_that_is_no_choice_says_which_there_are() {
    let told = told_after_head(&[
        "strategy = \"canry\"\n[environments.production]\nprotection = \"maybe\"\nrules = \"prod\"\n",
    ]);
    assert_snapshot!(told);
}

#[test]
fn a_service_stays_in_its_own_folder_below_the_project() {
    let told = told_after_head(&[
        "[services.b]\npath = \"../b\"\n[services.c]\npath = \"/c\"\n\
         [services.d]\npath = \"x/../../d\"\n[services.e]\npath = 'C:\\e'\n\
         [services.f]\npath = \"\"\n[services.g]\npath = '..\\g'\n",
        "[services.b]\n[services.c]\npath = \"./a/\"\n",
        "health = \"health\"\n",
    ]);
    assert_snapshot!(told);
}

#[test]
fn the_value_of_a_secret_is_neither_accepted_nor_shown() {
    let told = told_after_head(&[
        "[services.a.secrets]\nKEY = \"hunter2\"\n\
         OTHER = { env = \"hunter2!\", kind = \"jwtt\" }\n",
        "[services.a.secrets]\nKEY = {}\n[vars]\nKEY = \"x\"\n",
        "vars = { KEY = 1 }\n[services.a.secrets]\nKEY = {}\n",
    ]);
    let states = told_state("postgres://clodo:hunter2@db/x")
        + &told_state("mysql://clodo:hunter2@db/x")
        + &told_state("postgres://db/x?password=hunter2");
    assert!(!told.contains("hunter2") && !states.contains("hunter2"), "{told}{states}");
    let all = told + "\n\n----\n\n" + &states;
    assert_snapshot!(all);
}

fn told_state(state: &str) -> String {
    told([format!("[portfolio]\nname = \"p\"\nstate = \"{state}\"\n[services.a]\npath = \"a\"\n")
        .as_str()])
        + "\n\n"
}

#[test]
fn what_is_missing_is_said_first() {
    let told = told([
        "",
        "# nothing\n\n",
        "[services.a]\npath = \"a\"\n",
        "[portfolio]\nplatform = \"cloud\"\n[services.a]\npath = \"a\"\n",
        "[portfolio]\nname = \"p\"\n",
        "services = {}\n[portfolio]\nname = \"p\"\n",
        "portfolio = \"p\"\n[services.a]\npath = \"a\"\n",
        "[portfolio]\nname = \"p\"\n[[services]]\npath = \"a\"\n",
    ]);
    assert_snapshot!(told);
}

#[test]
fn a_strategy_that_makes_no_sense_is_refused_at_its_place() {
    let told = told_after_head(&[
        "canary = { steps = [5, 50, 25, 100, 0, \"x\", { percentage = 60, bake = \"0s\" }, {}] }\n",
        "[services.a.canary]\nsteps = []\nbake = \"0s\"\ninterval = \"5\"\nlimit = \"5 min\"\n",
        "[services.a.canary]\nbake = \"10m\"\nlimit = \"5m\"\ninconclusive = \"rollback\"\n",
        "[services.a.canary]\nerror_margin = 2\nlatency = [\"95\", \"p100\"]\nalpha_worse = 0\n\
         minimum_requests = 0\nbaseline = \"x\"\n",
        "rolling = { batch = \"0%\", max_unavailable = 1.5, bake = 5 }\n",
        "rolling = { batch = 0 }\nblue-green = { bake = \"1m\" }\nprobes = { requests = 5000 }\n",
        "canary = \"5%\"\n",
    ]);
    assert_snapshot!(told);
}

#[test]
fn telemetry_that_could_not_tell_is_refused() {
    let told = told_after_head(&[
        "telemetry = \"graphite\"\n",
        "[environments.production]\ntelemetry = \"prometheus\"\n\
         [services.a.prometheus]\nurl = \"http://prometheus:9090\"\n",
        "[services.a.prometheus]\nurl = \"prometheus:9090\"\nrequests = \"up\"\n\
         errors = 'x{v=\"{version}\"}'\ntoken_env = \"secret token\"\n",
    ]);
    let password = told_after_head(&["[services.a.prometheus]\nurl = \"http://u:hunter2@p\"\n"]);
    assert!(!password.contains("hunter2"), "{password}");
    let all = told + "\n\n----\n\n" + &password;
    assert_snapshot!(all);
}

#[test]
fn a_wave_names_targets_that_can_be() {
    let told = told_after_head(&[
        "[customers.acme]\n[[waves]]\ncustomers = [\"acne\"]\n",
        "[[waves]]\nname = \"all\"\n[[waves]]\nservices = []\nenvironments = [\"prod\"]\n",
        "[waves]\ncustomers = [\"acme\"]\n",
        "[[waves]]\nservices = [\"a\"]\napproval = \"me\"\nbake = \"soon\"\n",
    ]);
    assert_snapshot!(told);
}

#[test]
fn bytes_that_are_no_text_have_a_place_too() {
    let bytes = b"[portfolio]\nname = \"p\xff\"\n";
    let errors = Portfolio::parse_bytes("clodo.toml", bytes).unwrap_err();
    assert_snapshot!(errors.to_string(), @r#"
    clodo.toml:2:10: the file is not valid UTF-8 from here on
       |
     2 | name = "p
       |          ^
    hint: save it as UTF-8
    "#);
}
