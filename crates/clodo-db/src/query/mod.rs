//! Statements without SQL text: put together from names of the code and values, which are always
//! parameters.
//!
//! | you want | start at |
//! |---|---|
//! | to name a table and its columns | [`Table`], [`Column`] |
//! | to take a column's name from outside | [`Columns::pick`] |
//! | to read rows | [`Select`] |
//! | to say which | [`Operand`] of a column; [`all`], [`any`], [`exists`] |
//! | to add rows, or update those that are there | [`Insert`] with [`OnConflict`] |
//! | to change or remove rows | [`Update`], [`Delete`] |
//! | to read rows page by page | [`Keyset`]; [`Select::limit`] with [`Select::offset`] |
//! | a select that others read | [`Cte`], [`Select::named`], [`Operand::is_in_select`] |
//! | what there is no builder for | [`Expr::raw`] |
//! | to know whether a database takes it | [`Statement::fits`](crate::Statement::fits), [`Insert::build_all`] |
//!
//! # Example
//! ```
//! use clodo_db::query::{Column, Columns, Operand as _, Select, Table};
//!
//! const ORDERS: Table = Table::new("orders");
//! const CUSTOMERS: Table = Table::new("customers");
//! const CUSTOMER: Column = ORDERS.column("customer");
//! const TOTAL: Column = Column::new("total");
//! const SORTABLE: Columns<'_> = Columns::of(&[CUSTOMER, TOTAL]);
//!
//! let sort = SORTABLE.pick("total")?; // from a request
//! let statement = Select::from(ORDERS)
//!     .column(CUSTOMER)
//!     .column(ORDERS.column("cents").sum().named(TOTAL))
//!     .join(CUSTOMERS, CUSTOMERS.column("id").equals(CUSTOMER))
//!     .filter(CUSTOMERS.column("country").equals("it's; --"))
//!     .group_by(CUSTOMER)
//!     .order_by(sort.descending())
//!     .limit(20)
//!     .build()?;
//! assert_eq!(
//!     statement.sql,
//!     "SELECT `orders`.`customer`, sum(`orders`.`cents`) AS `total` FROM `orders` \
//!      JOIN `customers` ON `customers`.`id` = `orders`.`customer` \
//!      WHERE `customers`.`country` = ? GROUP BY `orders`.`customer` ORDER BY `total` DESC LIMIT ?"
//! );
//! assert_eq!(statement.params, ["it's; --".into(), 20.into()]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod change;
mod conflict;
mod cte;
mod cursor;
mod error;
mod expr;
mod fragment;
mod insert;
mod keyset;
mod name;
mod operand;
mod order;
mod select;

pub use change::{Delete, Update};
pub use conflict::OnConflict;
pub use cte::Cte;
pub use cursor::CursorError;
pub use error::BuildError;
pub use expr::{Expr, all, any, exists};
pub use insert::{Insert, IntoValues};
pub use keyset::{Key, Keyset, Page, Paging};
pub use name::{Column, Columns, Table, UnknownColumn};
pub use operand::{Operand, count_all, excluded, like_text};
pub use order::Order;
pub use select::{Output, Select, Source};
