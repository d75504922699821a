use super::*;
use crate::{
    access::{Policy, everything_in},
    state::ids::Moment,
};
use serde_json::{Value, json};

const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

fn token(policies: Option<Vec<Policy>>) -> Token {
    Token {
        id: "t".into(),
        name: "t".into(),
        email: "a@b.test".into(),
        accounts: Vec::new(),
        created_on: Moment::default(),
        policies,
        owner: None,
        disabled: false,
        not_before: None,
        expires_on: None,
        only_from: Vec::new(),
        never_from: Vec::new(),
        modified_on: None,
    }
}

fn policy(effect: &str, group: &str, resources: Value) -> Policy {
    let id = group_by_name(group).unwrap().id;
    serde_json::from_value(json!({
        "effect": effect, "permission_groups": [{ "id": id }], "resources": resources,
    }))
    .unwrap()
}

fn account_of(id: &str) -> String {
    format!("com.cloudflare.api.account.{id}")
}

#[test]
fn a_policy_counts_for_its_groups_and_its_resources() {
    let all = "com.cloudflare.api.account.*";
    let zones = "com.cloudflare.api.account.zone.*";
    let zone = "com.cloudflare.api.account.zone.z1";
    let in_account = Place { account: Some(ACCOUNT), ..Place::default() };
    let in_zone = Place { account: Some(ACCOUNT), zone: Some("z1"), bucket: None };
    let in_bucket = Place { account: Some(ACCOUNT), zone: None, bucket: Some("files") };
    let bucket = format!("com.cloudflare.edge.r2.bucket.{ACCOUNT}_default_files");
    let all_zones_here = json!({ account_of(ACCOUNT): { zones: "*" } });
    for (granted, resources, asked, place, expected) in [
        ("D1 Write", json!({ all: "*" }), "D1 Write", in_account, true),
        ("D1 Write", json!({ account_of(ACCOUNT): "*" }), "D1 Write", in_account, true),
        ("D1 Write", json!({ account_of(OTHER): "*" }), "D1 Write", in_account, false),
        ("D1 Write", json!({ account_of(ACCOUNT): "*" }), "D1 Read", in_account, false),
        // A group counts only for what its scope says.
        ("D1 Write", json!({ zones: "*" }), "D1 Write", in_account, false),
        ("DNS Write", json!({ account_of(ACCOUNT): "*" }), "DNS Write", in_zone, false),
        ("DNS Write", json!({ zones: "*" }), "DNS Write", in_zone, true),
        ("DNS Write", json!({ zone: "*" }), "DNS Write", in_zone, true),
        ("DNS Write", json!({ zone: "*" }), "DNS Write", in_account, false),
        ("DNS Write", all_zones_here.clone(), "DNS Write", in_zone, true),
        ("DNS Write", all_zones_here.clone(), "DNS Write", in_account, true),
        ("DNS Write", json!({ account_of(OTHER): { zones: "*" } }), "DNS Write", in_zone, false),
        ("D1 Write", all_zones_here, "D1 Write", in_account, false),
        (
            "Workers R2 Storage Bucket Item Read",
            json!({ bucket: "*" }),
            "Workers R2 Storage Bucket Item Read",
            in_bucket,
            true,
        ),
        (
            "Workers R2 Storage Bucket Item Read",
            json!({ format!("com.cloudflare.edge.r2.bucket.{ACCOUNT}_default_else"): "*" }),
            "Workers R2 Storage Bucket Item Read",
            in_bucket,
            false,
        ),
        (
            "User Details Read",
            json!({ "com.cloudflare.api.user.someone": "*" }),
            "User Details Read",
            Place::default(),
            false,
        ),
    ] {
        let token = token(Some(vec![policy("allow", granted, resources.clone())]));
        assert_eq!(token.may_one_of(&[asked], place), expected, "{granted} {resources} {asked}");
    }
}

#[test]
fn a_denial_wins() {
    let resources = json!({ "com.cloudflare.api.account.zone.*": "*" });
    let one = json!({ "com.cloudflare.api.account.zone.z1": "*" });
    let token = token(Some(vec![
        policy("allow", "DNS Write", resources),
        policy("deny", "DNS Write", one),
    ]));
    let zone = |id| Place { account: Some(ACCOUNT), zone: Some(id), bucket: None };
    assert!(!token.may_one_of(&["DNS Write"], zone("z1")));
    assert!(token.may_one_of(&["DNS Write"], zone("z2")));
}

#[test]
fn no_policy_reaches_beyond_the_accounts_that_a_token_is_held_to() {
    let groups: Vec<_> = GROUPS.iter().collect();
    let everywhere = everything_in(&groups, "u", &[]);
    let mut held = token(Some(everywhere));
    held.accounts = vec![OTHER.to_owned()];
    let here = Place { account: Some(ACCOUNT), ..Place::default() };
    assert!(!held.may_one_of(&["D1 Write"], here) && !held.may_use(ACCOUNT));
    held.accounts.clear();
    assert!(held.may_one_of(&["D1 Write"], here) && held.may_use(ACCOUNT));
    held.owner = Some(OTHER.to_owned());
    assert!(!held.may_one_of(&["D1 Write"], here) && !held.may_use(ACCOUNT));
    assert!(!held.is_all_powerful());
    assert!(token(None).is_all_powerful());
}
