//! Rows: what a database holds, where it came from, and whether two databases hold the same.

use std::collections::BTreeMap;

use super::World;
use super::machine::Part;
use crate::base::{Digest, Millis};

/// The tables of the orders database, and how many thousandths of a row one order adds.
pub(in crate::practice) const TABLES: [(&str, u64); 3] =
    [("customers", 40), ("orders", 1_000), ("payments", 970)];

/// The rows of a table, as runs: which primary wrote them, and how many.
///
/// Two tables hold the same rows exactly if their runs are equal, so that a copy, a replica and
/// a split brain can be told apart without keeping a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows(Vec<(u32, u64)>);

impl Rows {
    fn of(epoch: u32, count: u64) -> Self {
        Self(vec![(epoch, count)])
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    fn push(&mut self, epoch: u32, count: u64) {
        match self.0.last_mut() {
            Some((last, rows)) if *last == epoch => *rows += count,
            _ if count > 0 => self.0.push((epoch, count)),
            _ => {}
        }
    }

    /// The first `count` rows.
    fn first(&self, count: u64) -> Self {
        let mut left = count;
        let mut rows = Self::default();
        for (epoch, run) in &self.0 {
            let taken = left.min(*run);
            rows.push(*epoch, taken);
            left -= taken;
        }
        rows
    }

    fn begins_with(&self, other: &Self) -> bool {
        self.first(other.count()) == *other
    }

    fn checksum(&self, table: &str) -> String {
        Digest::of(format!("{table} {:?}", self.0).as_bytes()).short()
    }
}

/// A database server.
#[derive(Clone, Debug, Default)]
pub(super) struct Database {
    pub(super) tables: BTreeMap<String, Rows>,
    /// The version of the tables' shape; 0 is none.
    pub(super) schema: u32,
    /// Since when it takes no writes.
    pub(super) read_only: Option<Millis>,
    /// Whether it follows the other database.
    pub(super) follows: bool,
    /// Why following stopped.
    pub(super) broken: bool,
    /// The last restore point.
    pub(super) saved: Option<BTreeMap<String, Rows>>,
    /// Thousandths of rows to come.
    pending: BTreeMap<String, u64>,
}

impl Database {
    /// The old database before the cutover.
    pub(super) fn old() -> Self {
        let rows = [("customers", 12_480), ("orders", 48_212), ("payments", 46_930)];
        let tables = rows.map(|(table, count)| (table.to_owned(), Rows::of(1, count)));
        Self { tables: BTreeMap::from(tables), schema: 41, ..Self::default() }
    }

    /// A new database without tables.
    pub(super) fn empty() -> Self {
        Self { read_only: Some(Millis::ZERO), ..Self::default() }
    }
}

/// The other database.
fn peer(host: &str) -> &'static str {
    if host == "db-old" { "db-new" } else { "db-old" }
}

impl World {
    pub(super) fn database(&self, host: &str) -> Result<&Database, String> {
        match self.machines.get(host).map(|machine| &machine.part) {
            Some(Part::Database(database)) => Ok(database),
            _ => Err(format!("no database runs on {host}")),
        }
    }

    fn database_mut(&mut self, host: &str) -> Result<&mut Database, String> {
        match self.machines.get_mut(host).map(|machine| &mut machine.part) {
            Some(Part::Database(database)) => Ok(database),
            _ => Err(format!("no database runs on {host}")),
        }
    }

    fn table(&self, host: &str, table: &str) -> Result<Rows, String> {
        let found = self.database(host)?.tables.get(table).cloned();
        found.ok_or_else(|| format!("{host} has no table \"{table}\""))
    }

    /// Rows in `table`.
    pub(in crate::practice) fn rows(&self, host: &str, table: &str) -> Result<u64, String> {
        self.table(host, table).map(|rows| rows.count())
    }

    /// A checksum over the rows of `table`.
    pub(in crate::practice) fn checksum(&self, host: &str, table: &str) -> Result<String, String> {
        self.table(host, table).map(|rows| rows.checksum(table))
    }

    /// Whether `host` holds the same rows in `table` as the other database; while one follows
    /// the other, as far as it has come. With the rows and checksums of both.
    pub(in crate::practice) fn compare(
        &self,
        host: &str,
        table: &str,
    ) -> Result<(bool, [(u64, String); 2]), String> {
        let (mut own, mut other) = (self.table(host, table)?, self.table(peer(host), table)?);
        if self.database(host)?.follows || self.database(peer(host))?.follows {
            let common = own.count().min(other.count());
            (own, other) = (own.first(common), other.first(common));
        }
        let both = [&own, &other].map(|rows| (rows.count(), rows.checksum(table)));
        Ok((own == other, both))
    }

    /// The version of the tables' shape on `host`.
    pub(in crate::practice) fn schema(&self, host: &str) -> Result<u32, String> {
        Ok(self.database(host)?.schema)
    }

    /// Gives the tables their shape; makes them where there are none.
    pub(in crate::practice) fn apply_schema(
        &mut self,
        host: &str,
        version: u32,
    ) -> Result<(), String> {
        let database = self.database_mut(host)?;
        database.schema = version;
        if version == 0 {
            database.tables.clear();
            (database.follows, database.broken) = (false, false);
        } else {
            for (table, _) in TABLES {
                database.tables.entry(table.to_owned()).or_default();
            }
        }
        Ok(())
    }

    /// Brings `table` of the other database to at most `rows` rows of this one.
    pub(in crate::practice) fn copy_rows(
        &mut self,
        host: &str,
        table: &str,
        rows: u64,
    ) -> Result<(), String> {
        let source = self.table(host, table)?;
        let target = self.table(peer(host), table)?;
        if !source.begins_with(&target) && rows > 0 {
            let peer = peer(host);
            return Err(format!("{peer} has rows in \"{table}\" that {host} does not have"));
        }
        let copied = source.first(rows.max(if rows == 0 { 0 } else { target.count() }));
        self.database_mut(peer(host))?.tables.insert(table.to_owned(), copied);
        Ok(())
    }

    /// Makes `host` follow the other database, or no longer.
    pub(in crate::practice) fn follow(&mut self, host: &str, follows: bool) -> Result<(), String> {
        if follows && self.primary == host {
            return Err(format!("{host} is the primary: it cannot follow"));
        }
        if follows && self.database(host)?.schema == 0 {
            return Err(format!("{host} has no tables: run `dbctl schema apply` first"));
        }
        let database = self.database_mut(host)?;
        (database.follows, database.broken) = (follows, false);
        Ok(())
    }

    /// How far `host` is behind the database that it follows: time and rows.
    pub(in crate::practice) fn lag(&self, host: &str) -> Result<Option<(Millis, u64)>, String> {
        if !self.database(host)?.follows {
            return Ok(None);
        }
        let (mut rows, mut orders) = (0, 0);
        for (table, _) in TABLES {
            let behind = self.rows(peer(host), table)?.saturating_sub(self.rows(host, table)?);
            rows += behind;
            if table == "orders" {
                orders = behind;
            }
        }
        let a_minute = self.metrics().orders_per_min.max(60);
        Ok(Some((Millis::new(orders.saturating_mul(60_000) / a_minute), rows)))
    }

    /// Since when `host` takes no writes, if it does not.
    pub(in crate::practice) fn read_only(&self, host: &str) -> Result<Option<Millis>, String> {
        Ok(self.database(host)?.read_only)
    }

    /// Stops or allows writes on `host`.
    pub(in crate::practice) fn set_read_only(
        &mut self,
        host: &str,
        on: bool,
    ) -> Result<(), String> {
        let now = self.now;
        if !on && self.primary != host {
            return Err(format!("{host} is not the primary: run `dbctl promote` on it"));
        }
        let database = self.database_mut(host)?;
        database.read_only = on.then(|| database.read_only.unwrap_or(now));
        Ok(())
    }

    /// Makes `host` the database that takes writes. The other one takes none, and follows if
    /// `reverse`.
    pub(in crate::practice) fn promote(&mut self, host: &str, reverse: bool) -> Result<(), String> {
        if self.database(host)?.schema == 0 {
            return Err(format!("{host} has no tables"));
        }
        let now = self.now;
        if self.primary != host {
            self.epoch += 1;
            host.clone_into(&mut self.primary);
        }
        let database = self.database_mut(host)?;
        (database.read_only, database.follows) = (None, false);
        let other = self.database_mut(peer(host))?;
        other.read_only = other.read_only.or(Some(now));
        (other.follows, other.broken) = (reverse && other.schema > 0, false);
        Ok(())
    }

    /// Brings the writes that only the other database has to `host`; rows brought.
    pub(in crate::practice) fn replay(&mut self, host: &str) -> Result<u64, String> {
        let mut brought = 0;
        for (table, _) in TABLES {
            let (own, other) = (self.table(host, table)?, self.table(peer(host), table)?);
            if !other.begins_with(&own) {
                let peer = peer(host);
                return Err(format!("{host} has rows in \"{table}\" that {peer} does not have"));
            }
            brought += other.count() - own.count();
            self.database_mut(host)?.tables.insert(table.to_owned(), other);
        }
        Ok(brought)
    }

    /// Removes all rows of a database that is not the primary; rows removed.
    pub(in crate::practice) fn empty(&mut self, host: &str) -> Result<u64, String> {
        if self.primary == host {
            return Err(format!("{host} is the primary: its rows are the customers'"));
        }
        let database = self.database_mut(host)?;
        database.follows = false;
        let rows = database.tables.values().map(Rows::count).sum();
        database.tables.values_mut().for_each(|held| *held = Rows::default());
        Ok(rows)
    }

    /// Keeps a restore point; rows in it.
    pub(in crate::practice) fn save(&mut self, host: &str) -> Result<u64, String> {
        let database = self.database_mut(host)?;
        database.saved = Some(database.tables.clone());
        Ok(database.tables.values().map(Rows::count).sum())
    }

    /// Goes back to the restore point; rows lost.
    pub(in crate::practice) fn restore(&mut self, host: &str) -> Result<u64, String> {
        let database = self.database_mut(host)?;
        let Some(saved) = database.saved.clone() else {
            return Err(format!("{host} has no restore point: `dbctl dump` makes one"));
        };
        let count = |tables: &BTreeMap<String, Rows>| tables.values().map(Rows::count).sum::<u64>();
        let lost = count(&database.tables).saturating_sub(count(&saved));
        database.tables = saved;
        Ok(lost)
    }

    /// Adds the rows of `orders` thousandths of an order to the primary.
    pub(super) fn write_orders(&mut self, orders: u64) {
        let (epoch, primary) = (self.epoch, self.primary.clone());
        let Ok(database) = self.database_mut(&primary) else { return };
        for (table, permille) in TABLES {
            let pending = database.pending.entry(table.to_owned()).or_default();
            *pending += orders * permille / 1000;
            let rows = *pending / 1000;
            *pending %= 1000;
            if let Some(held) = database.tables.get_mut(table) {
                held.push(epoch, rows);
            }
        }
    }

    /// Lets the databases that follow come nearer.
    pub(super) fn replicate(&mut self) {
        for host in ["db-old", "db-new"] {
            let following = self.database(host).is_ok_and(|it| it.follows && !it.broken);
            let both_run = ["db-old", "db-new"]
                .iter()
                .all(|it| self.machines.get(*it).is_some_and(|it| it.serves("postgresql")));
            if !following || !both_run {
                continue;
            }
            let held_back = self.lag_fault.as_millis() * self.metrics().orders_per_min / 60_000;
            for (table, permille) in TABLES {
                let (Ok(own), Ok(source)) =
                    (self.table(host, table), self.table(peer(host), table))
                else {
                    continue;
                };
                if !source.begins_with(&own) {
                    if let Ok(database) = self.database_mut(host) {
                        database.broken = true;
                    }
                    continue;
                }
                let behind = source.count() - own.count();
                let wanted = behind.saturating_sub(held_back * permille / 1000);
                let step = wanted.div_ceil(3).min(4_000);
                let copied = source.first(own.count() + step);
                if let Ok(database) = self.database_mut(host) {
                    database.tables.insert(table.to_owned(), copied);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rows;

    #[test]
    fn rows_know_where_they_came_from() {
        let mut old = Rows::of(1, 100);
        let copy = old.first(60);
        assert!(old.begins_with(&copy));
        assert_eq!(copy.count(), 60);
        old.push(1, 5);
        assert!(old.begins_with(&copy));
        let mut split = copy;
        split.push(2, 5);
        assert!(!old.begins_with(&split));
        assert_ne!(split.checksum("orders"), old.first(65).checksum("orders"));
        assert_eq!(old.first(1_000), old);
    }
}
