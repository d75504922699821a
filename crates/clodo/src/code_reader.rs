use crate::load_error::chain;
use clodo_cf_api::{
    ApiErrorKind, Client, versions,
    workers::{ContentError, WorkerContent, list_scripts},
};
use clodo_db::{RunningCode, SourceStatement, sql_literals};
use clodo_types::{AccountId, Finding, Severity, TargetId, WorkerName};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OnceCell;

/// Reads which statements Workers run, out of the code that is deployed.
#[derive(Clone, Debug)]
pub struct CodeReader {
    client: Client,
    accounts: Arc<Mutex<BTreeMap<AccountId, Arc<Account>>>>,
}

/// The names of an account's Workers, once they are known; none when they cannot be listed.
type Account = OnceCell<Option<BTreeSet<WorkerName>>>;

impl CodeReader {
    /// Reads through `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, accounts: Arc::default() }
    }

    /// The statements in the code of all versions of a target's Worker that get requests now; none
    /// when there is no such Worker, or nothing of it is deployed. One call, and one more for each
    /// version. With the second Worker of an account all of it are listed, once, and those that are not
    /// there need no call.
    ///
    /// Only programs in JavaScript are looked through, as [`sql_literals`] does it.
    ///
    /// # Errors
    /// A note that says why it could not be read.
    pub async fn read(
        &self,
        account: &AccountId,
        target: &TargetId,
        worker: &WorkerName,
    ) -> Result<Option<RunningCode>, Finding> {
        if self.is_absent(account, worker).await {
            return Ok(None);
        }
        let whose = format!("the deployed service {} in {}", target.service, target.environment);
        match self.versions(account, worker).await {
            Ok(found) => Ok(found.map(|statements| RunningCode::new(whose, statements))),
            Err(error) => Err(unread(&whose, &error)),
        }
    }

    /// Whether an account is known not to have a Worker.
    async fn is_absent(&self, account: &AccountId, worker: &WorkerName) -> bool {
        let known = {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            let known = accounts.get(account).cloned();
            accounts.entry(account.clone()).or_default();
            known
        };
        // The first one is asked for itself: often there is no other.
        let Some(known) = known else { return false };
        let list = async || {
            let scripts = self.client.list(list_scripts(account)).await.ok()?;
            Some(scripts.into_iter().map(|script| script.id).collect())
        };
        let names = known.get_or_init(list).await;
        names.as_ref().is_some_and(|names| !names.contains(worker))
    }

    async fn versions(
        &self,
        account: &AccountId,
        worker: &WorkerName,
    ) -> Result<Option<Vec<SourceStatement>>, ContentError> {
        let deployments = self.client.list(versions::list_deployments(account, worker)).await;
        let deployments = match deployments {
            Ok(deployments) => deployments,
            Err(error) if error.kind() == ApiErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(now) = deployments.into_iter().next() else { return Ok(None) };
        let mut statements = Vec::new();
        for share in now.versions.iter().filter(|share| share.percentage > 0.0) {
            let version = Some(&share.version_id);
            let content = self.client.worker_content(account, worker, version).await?;
            statements.extend(in_content(&content));
        }
        Ok(Some(statements))
    }
}

fn in_content(content: &WorkerContent) -> Vec<SourceStatement> {
    let is_program = |content_type: &str| content_type.contains("javascript");
    let programs = content.modules.iter().filter(|module| is_program(&module.content_type));
    let texts = programs.filter_map(|module| {
        let text = std::str::from_utf8(&module.body).ok()?;
        Some(sql_literals(text, Path::new(&module.name)))
    });
    texts.flatten().collect()
}

fn unread(whose: &str, error: &ContentError) -> Finding {
    Finding {
        rule: "running-code-unread".to_owned(),
        severity: Severity::Note,
        at: None,
        message: format!("the code of {whose} could not be read: {}", chain(error)),
        hint: Some("the token needs to read Workers' scripts".to_owned()),
    }
}
