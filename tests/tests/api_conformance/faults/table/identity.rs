//! Tokens.

use crate::faults::{look::Look, write::Write};
use clodo_cf_api::tokens::{
    self,
    TokenOwner::{Account, User},
};

const NOBODY_HAS_IT: &str =
    "a token whose value nobody knows; its name says whose it is, and it is deleted";

pub(super) const WRITES: &[Write] = &[
    Write::new(
        "POST /user/tokens",
        |w| w.send(tokens::create_token(&User, &w.token_called("made"))),
        &[Look::get("/user/tokens").each("name")],
    )
    .twice(NOBODY_HAS_IT),
    Write::new(
        "PUT /user/tokens/{token}",
        |w| w.send(tokens::put_token(&User, &w.the("user_token"), &w.token_called("renamed"))),
        &[Look::get("/user/tokens/{user_token}").part("/name")],
    ),
    Write::new(
        "PUT /user/tokens/{token}/value",
        |w| w.send(tokens::roll_token(&User, &w.the("user_rolled"))),
        &[Look::get("/user/tokens/verify").by("user_value").part("/status")],
    ),
    Write::new(
        "DELETE /user/tokens/{token}",
        |w| w.send(tokens::delete_token(&User, &w.the("user_doomed"))),
        &[Look::get("/user/tokens/{user_doomed}").part("/name")],
    ),
    Write::new(
        "POST /accounts/{account}/tokens",
        |w| w.send(tokens::create_token(&Account(w.account.clone()), &w.token_called("made"))),
        &[Look::get("/accounts/{account}/tokens").each("name")],
    )
    .twice(NOBODY_HAS_IT),
    Write::new(
        "PUT /accounts/{account}/tokens/{token}",
        |w| {
            let (owner, to) = (Account(w.account.clone()), w.token_called("renamed"));
            w.send(tokens::put_token(&owner, &w.the("account_token"), &to))
        },
        &[Look::get("/accounts/{account}/tokens/{account_token}").part("/name")],
    ),
    Write::new(
        "PUT /accounts/{account}/tokens/{token}/value",
        |w| w.send(tokens::roll_token(&Account(w.account.clone()), &w.the("account_rolled"))),
        &[Look::get("/accounts/{account}/tokens/verify").by("account_value").part("/status")],
    ),
    Write::new(
        "DELETE /accounts/{account}/tokens/{token}",
        |w| w.send(tokens::delete_token(&Account(w.account.clone()), &w.the("account_doomed"))),
        &[Look::get("/accounts/{account}/tokens/{account_doomed}").part("/name")],
    ),
];
