//! The tables of a stream, by the numbers that its messages call them.

use std::collections::HashMap;
use std::sync::Arc;

use raccord_cdc::TableId;
use raccord_plugin::Result;
use tokio_postgres::Client;
use tracing::warn;

use crate::captured::CapturedTable;
use crate::catalog::{CatalogTable, TypeRegistry, read_table};
use crate::classify::cause;
use crate::columns::ColumnSettings;
use crate::pgoutput::Relation;
use crate::settings::Settings;

/// What is known of them.
pub struct Relations {
    settings: Arc<Settings>,
    columns: Arc<ColumnSettings>,
    types: TypeRegistry,
    /// `None` for those that are not captured.
    tables: HashMap<u32, Option<Arc<CapturedTable>>>,
    /// Tables that the snapshot before has compiled. When the stream finds one as it was, records go on with its schemas,
    /// and whatever was compiled for these need not be made and kept twice.
    compiled: HashMap<TableId, Arc<CapturedTable>>,
}

impl Relations {
    /// Of a stream that begins, behind a snapshot that has compiled these tables.
    pub fn new(
        settings: Arc<Settings>,
        columns: Arc<ColumnSettings>,
        types: TypeRegistry,
        compiled: Vec<Arc<CapturedTable>>,
    ) -> Self {
        let compiled = compiled.into_iter().map(|table| (table.plan.id().clone(), table)).collect();
        Self { settings, columns, types, tables: HashMap::new(), compiled }
    }

    /// A captured table.
    #[inline]
    pub fn get(&self, relation: u32) -> Option<&Arc<CapturedTable>> {
        self.tables.get(&relation)?.as_ref()
    }

    /// Takes note that a table is not captured.
    pub fn pass_over(&mut self, relation: u32) {
        self.tables.insert(relation, None);
    }

    /// Takes note of what a captured table looks like, as the message and the catalog say together. Cancel-safe.
    ///
    /// # Errors
    /// What the server or the network says.
    pub async fn learn(&mut self, client: &Client, id: &TableId, relation: &Relation) -> Result<()> {
        if relation.columns.iter().any(|column| self.types.get(column.type_oid).is_none()) {
            self.types = TypeRegistry::read(client).await.map_err(cause)?;
            // They may have been compiled of types that are others now.
            self.compiled.clear();
        }
        let catalog = read_table(client, id, &self.types).await.map_err(cause)?;
        let known = self.get(relation.id).map(|table| &table.table);
        let table = CatalogTable::of_relation(relation, catalog.as_ref(), known, &self.types);
        if table.key.is_empty() {
            warn!(table = %id, "the table has neither primary key nor unique index: its records have no key");
        }
        let captured = match self.compiled.remove(id) {
            Some(compiled) if compiled.table == table => compiled,
            _ => CapturedTable::new(table, &self.types, &self.settings, &self.columns),
        };
        self.tables.insert(relation.id, Some(captured));
        Ok(())
    }
}
