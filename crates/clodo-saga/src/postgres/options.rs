use clodo_types::Secret;
use percent_encoding::percent_decode_str;
use std::{path::PathBuf, time::Duration};
use tokio_postgres::{Config, config::SslMode};

/// Where the database is, and how to use it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// The schema in which the tables lie; several stores fit into one database. `clodo` unless set.
    pub namespace: String,
    /// How long a server that went away is waited for, in each call. 20 s unless set.
    pub patience: Duration,
    /// How many connections are open at most. 4 unless set.
    pub connections: usize,
    // Prints `_` instead of the password.
    pub(super) config: Config,
    pub(super) root_certificates: Option<PathBuf>,
}

/// Text that is no URL of a PostgreSQL database. It may hold a password, so it is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no URL of a PostgreSQL database")]
pub struct PostgresUrlError;

impl PostgresOptions {
    /// Takes a URL such as `postgres://clodo@db.internal/clodo?sslmode=require`.
    ///
    /// With `sslmode` `require`, `verify-ca` or `verify-full` the connection is encrypted and the
    /// server's certificate is checked against its name, by the system's roots or those in the PEM
    /// file `sslrootcert`. Without, it is not encrypted. What else may stand behind `?`:
    /// `application_name`, `connect_timeout`, `options` and the like.
    ///
    /// # Errors
    /// When it is no such URL.
    pub fn new(url: &Secret) -> Result<Self, PostgresUrlError> {
        let url = url.expose();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(PostgresUrlError);
        }
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut root_certificates, mut rest) = (SslMode::Disable, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", "disable")) => mode = SslMode::Disable,
                Some(("sslmode", "require" | "verify-ca" | "verify-full")) => {
                    mode = SslMode::Require;
                }
                Some(("sslmode", _)) => return Err(PostgresUrlError),
                Some(("sslrootcert", path)) => {
                    let path = percent_decode_str(path).decode_utf8().map_err(|_| PostgresUrlError);
                    root_certificates = Some(PathBuf::from(path?.into_owned()));
                }
                _ => rest.push(pair),
            }
        }
        let plain = format!("{address}?{}", rest.join("&"));
        let mut config: Config = plain.parse().map_err(|_| PostgresUrlError)?;
        config.ssl_mode(mode);
        if config.get_application_name().is_none() {
            config.application_name("clodo");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        // Also a network that swallows packets is noticed.
        config.tcp_user_timeout(Duration::from_secs(20));
        config.keepalives_idle(Duration::from_secs(20));
        Ok(Self {
            namespace: "clodo".to_owned(),
            patience: Duration::from_secs(20),
            connections: 4,
            config,
            root_certificates,
        })
    }

    /// Sets the password, unless the URL holds one.
    #[must_use]
    pub fn with_password(mut self, password: &Secret) -> Self {
        if self.config.get_password().is_none() {
            self.config.password(password.expose());
        }
        self
    }

    /// Sets the schema in which the tables lie: lower-case letters, digits and `_`.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Sets how long a server that went away is waited for.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The user, host, port and database that a password is looked up by.
    #[must_use]
    pub fn place(&self) -> PostgresPlace {
        let host = match self.config.get_hosts().first() {
            Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
            _ => "localhost".to_owned(),
        };
        let user = self.config.get_user().unwrap_or_default().to_owned();
        PostgresPlace {
            host,
            port: self.config.get_ports().first().copied().unwrap_or(5432),
            database: self.config.get_dbname().unwrap_or(&user).to_owned(),
            user,
        }
    }

    /// Whether the URL holds a password, or one was given.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }
}

/// What a line of a pgpass file is looked up by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresPlace {
    /// The server's name; `localhost` for a socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> Result<PostgresOptions, PostgresUrlError> {
        PostgresOptions::new(&Secret::new(url.to_owned()))
    }

    #[test]
    fn a_url_says_where_the_database_is() {
        let place = options("postgres://ada@db.internal:6000/team?sslmode=verify-full").unwrap();
        assert_eq!(place.config.get_ssl_mode(), SslMode::Require);
        let (host, database, user) = ("db.internal".into(), "team".into(), "ada".into());
        assert_eq!(place.place(), PostgresPlace { host, port: 6000, database, user });
        let plain =
            options("postgresql://ada@db/x?application_name=ci&sslrootcert=/a%20b").unwrap();
        assert_eq!(plain.config.get_ssl_mode(), SslMode::Disable);
        assert_eq!(plain.root_certificates, Some("/a b".into()));
        assert_eq!(plain.config.get_application_name(), Some("ci"));
    }

    #[test]
    fn no_password_is_ever_shown() {
        for url in ["postgres://ada:hunter2@db/x", "postgres://ada@db/x?password=hunter2"] {
            let options = options(url).unwrap();
            assert!(options.has_password());
            assert!(!format!("{options:?}").contains("hunter2"), "{options:?}");
        }
        for url in ["postgres://ada@db/x?hunter2", "mysql://hunter2", "postgres://a@b:hunter2/"] {
            let error = options(url).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("hunter2"));
        }
    }
}
