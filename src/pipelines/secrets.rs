//! Variables and connections, as tasks find them: `AIRFLOW_VAR_KEY` and `AIRFLOW_CONN_ID` in their
//! environment, which is where Airflow's own code looks first. At rest they are sealed.

use super::{
    environment::Variables,
    store::{self, ConnectionRow},
};
use crate::{
    auth,
    kernel::error::{Error, Result},
    store::Db,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The most that one variable of an environment may hold, name included: Linux takes 128 KiB.
const MAX_PAIR: usize = 120 << 10;
/// The most that all of them may hold together, so that there is room for a task's own.
const MAX_ALL: usize = 1 << 20;

/// What is sealed of a connection.
#[derive(Deserialize, Serialize)]
pub struct SealedConnection {
    pub password: Option<String>,
    pub extra: Option<String>,
}

/// What a variable's value is sealed for.
pub fn variable_purpose(key: &str) -> String {
    format!("pipeline variable {key}")
}

/// What a connection's password and extra are sealed for.
pub fn connection_purpose(id: &str) -> String {
    format!("pipeline connection {id}")
}

pub fn open_connection(auth: &auth::Service, row: &ConnectionRow) -> Result<SealedConnection> {
    let clear = auth.secret_open(&connection_purpose(&row.id), &row.sealed)?;
    serde_json::from_str(&clear).map_err(Error::internal)
}

/// All of them as they are by now. What does not fit into an environment is left out and named in the
/// server's log, without its value.
pub async fn environment(db: &Db, auth: &auth::Service) -> Result<Variables> {
    if !db.look_up(store::has_variables).await? {
        return Ok(Vec::new());
    }
    let read = |db: &crate::store::Connection| {
        Ok((store::variable_list(db, None)?, store::connection_list(db, None)?))
    };
    let (variables, connections) = db.read(read).await?;
    let mut found = Vec::with_capacity(variables.len() + connections.len());
    let mut room = MAX_ALL;
    let mut put = |name: String, value: Result<String>| match value {
        Ok(value) if fits(&name, &value) && name.len() + value.len() <= room => {
            room -= name.len() + value.len();
            found.push((name, value));
        }
        Ok(_) => tracing::warn!(name, "too large, or no text, for the environment of tasks"),
        Err(error) => tracing::warn!(name, ?error, "cannot be unsealed, so tasks do not get it"),
    };
    for row in variables {
        let value = auth.secret_open(&variable_purpose(&row.key), &row.sealed);
        put(format!("AIRFLOW_VAR_{}", row.key.to_uppercase()), value);
    }
    for row in connections {
        let value = open_connection(auth, &row).map(|sealed| as_json(&row, sealed));
        put(format!("AIRFLOW_CONN_{}", row.id.to_uppercase()), value);
    }
    Ok(found)
}

fn fits(name: &str, value: &str) -> bool {
    !name.contains(['=', '\0']) && !value.contains('\0') && name.len() + value.len() < MAX_PAIR
}

/// The form that Airflow reads from an environment; what is not there is left out.
fn as_json(row: &ConnectionRow, sealed: SealedConnection) -> String {
    let extra = sealed.extra.filter(|text| !text.is_empty());
    let extra = extra.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
    let fields = [
        ("conn_type", Some(json!(row.conn_type))),
        ("description", row.description.as_ref().map(|text| json!(text))),
        ("host", row.host.as_ref().map(|text| json!(text))),
        ("login", row.login.as_ref().map(|text| json!(text))),
        ("password", sealed.password.map(Value::String)),
        ("schema", row.schema.as_ref().map(|text| json!(text))),
        ("port", row.port.map(Value::from)),
        ("extra", extra),
    ];
    let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>()).to_string()
}

#[cfg(test)]
mod tests {
    use super::{ConnectionRow, SealedConnection, as_json, fits};
    use serde_json::{Value, json};

    #[test]
    fn a_connection_is_json_as_airflow_reads_it() {
        let row = ConnectionRow {
            id: "db".into(),
            conn_type: "postgres".into(),
            description: None,
            host: Some("there".into()),
            login: None,
            schema: None,
            port: Some(5432),
            sealed: Vec::new(),
        };
        let sealed = SealedConnection { password: Some("p".into()), extra: Some("{\"a\": 1}".into()) };
        let expected = json!(
            {"conn_type": "postgres", "host": "there", "port": 5432, "password": "p", "extra": {"a": 1}}
        );
        assert_eq!(serde_json::from_str::<Value>(&as_json(&row, sealed)).expect("JSON"), expected);
    }

    #[test]
    fn what_no_environment_can_hold_is_left_out() {
        assert!(fits("AIRFLOW_VAR_A", "b"));
        assert!(!fits("AIRFLOW_VAR_A=B", "c"));
        assert!(!fits("AIRFLOW_VAR_A", "b\0c"));
        assert!(!fits("AIRFLOW_VAR_A", &"b".repeat(130 << 10)));
    }
}
