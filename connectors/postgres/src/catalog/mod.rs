//! The catalog: what PostgreSQL says of its types and tables, asked the way Debezium asks (through the JDBC driver's
//! metadata), so that names, lengths and scales come out the same. All SQL texts about types and tables are here.

mod registry;
mod tables;

pub use registry::TypeRegistry;
pub use tables::{CatalogColumn, CatalogTable, all_tables, read_table, schema_of};
