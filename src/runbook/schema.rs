//! The JSON Schemas of the two file formats, for editors and for checks by other programs.

/// The schema of a runbook.
pub const RUNBOOK_SCHEMA: &str = include_str!("../../assets/runbook.schema.json");

/// The schema of an inventory file.
pub const INVENTORY_SCHEMA: &str = include_str!("../../assets/inventory.schema.json");

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;
    use toml::de::DeTable;

    use super::super::problem::SourceFile;
    use super::super::reader::Reading;
    use super::super::{load, shape, shape_hosts};
    use super::{INVENTORY_SCHEMA, RUNBOOK_SCHEMA};

    /// A runbook that uses every key there is.
    const EVERY_KEY: &str = include_str!("../../tests/it/runbooks/every-key.toml");

    type Keys = BTreeMap<String, BTreeSet<String>>;

    fn parsed(schema: &str) -> Value {
        serde_json::from_str(schema).expect("it is JSON")
    }

    /// The keys that a schema knows, by the title of the table.
    fn of_schema(schema: &Value) -> Keys {
        let tables = schema["$defs"].as_object().unwrap().values().chain([schema]);
        let tables = tables.filter_map(|table| Some((table.get("title")?, &table["properties"])));
        tables.map(|(title, keys)| (title.as_str().unwrap().to_owned(), names(keys))).collect()
    }

    fn names(table: &Value) -> BTreeSet<String> {
        table.as_object().unwrap().keys().cloned().collect()
    }

    fn of_loader(reading: &Reading<'_>) -> Keys {
        let own = |keys: &BTreeSet<&str>| keys.iter().map(|key| (*key).to_owned()).collect();
        reading.asked.iter().map(|(table, keys)| ((*table).to_owned(), own(keys))).collect()
    }

    #[test]
    fn a_schema_knows_exactly_the_keys_that_the_loader_asks_for() {
        let source = SourceFile::new("every-key.toml", EVERY_KEY);
        let document = DeTable::parse(EVERY_KEY).unwrap();
        let mut reading = Reading::new(&source);
        shape::runbook(&mut reading, document.get_ref(), &[]);
        assert_eq!(of_schema(&parsed(RUNBOOK_SCHEMA)), of_loader(&reading));

        let source = SourceFile::new("hosts.toml", "[hosts.a.proof]\n");
        let document = DeTable::parse(&source.text).unwrap();
        let mut reading = Reading::new(&source);
        shape_hosts::file(&mut reading, document.get_ref());
        assert_eq!(of_schema(&parsed(INVENTORY_SCHEMA)), of_loader(&reading));
    }

    #[test]
    fn what_both_schemas_hold_is_the_same() {
        let (runbook, inventory) = (parsed(RUNBOOK_SCHEMA), parsed(INVENTORY_SCHEMA));
        for (name, table) in inventory["$defs"].as_object().unwrap() {
            assert_eq!(&runbook["$defs"][name], table, "{name}");
        }
    }

    /// Takes the keys of `value` out of `left`, following the schema.
    fn use_up(schema: &Value, at: &Value, value: &toml::Value, left: &mut Keys) {
        let at = match at.get("$ref").and_then(Value::as_str) {
            Some(name) => &schema["$defs"][name.trim_start_matches("#/$defs/")],
            None => at,
        };
        for choice in at.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
            use_up(schema, choice, value, left);
        }
        let title = at.get("title").and_then(Value::as_str).unwrap_or_default();
        for (key, value) in value.as_table().into_iter().flatten() {
            let next = at.get("properties").and_then(|keys| keys.get(key));
            if next.is_some()
                && let Some(left) = left.get_mut(title)
            {
                left.remove(key);
            }
            if let Some(next) = next.or_else(|| at.get("additionalProperties")) {
                use_up(schema, next, value, left);
            }
        }
        for value in value.as_array().into_iter().flatten() {
            use_up(schema, at.get("items").unwrap_or(&Value::Null), value, left);
        }
    }

    #[test]
    fn the_example_uses_every_key_and_is_right() {
        let schema = parsed(RUNBOOK_SCHEMA);
        let mut left = of_schema(&schema);
        let example: toml::Value = toml::from_str(EVERY_KEY).unwrap();
        use_up(&schema, &schema, &example, &mut left);
        left.retain(|_, keys| !keys.is_empty());
        let by_file = |key: &str| ["inventory", "include"].contains(&key);
        if let Some(keys) = left.get_mut("a runbook") {
            keys.retain(|key| !by_file(key)); // It has its hosts inline.
        }
        left.retain(|_, keys| !keys.is_empty());
        assert_eq!(left, Keys::new(), "not in every-key.toml");
        let source = SourceFile::new("every-key.toml", EVERY_KEY);
        let text = |path: &str| {
            let certificate = path == "authority.pem";
            if certificate { "-----BEGIN CERTIFICATE-----\n" } else { "true\n" }
        };
        let checked = load::check(&source, &mut |path| Ok(SourceFile::new(path, text(path))));
        let errors: Vec<_> = checked.errors().collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}
