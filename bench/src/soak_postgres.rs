//! Changes flow from PostgreSQL into Kafka while worker, broker and server are killed and connections are cut at random.
//!
//! What is checked at the end is in `raccord_parity::cdc::truth`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use raccord_parity::cdc::load;
use raccord_parity::cdc::postgres::Postgres;
use raccord_parity::cdc::truth::{Truth, Wrong};
use raccord_parity::kafka::Kafka;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::contestants::{Whose, scratch};
use crate::stage::Stage;

/// How the soak runs.
#[derive(clap::Args)]
pub struct SoakPostgresArguments {
    /// How often something is killed or cut.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Chooses the times and the victims; printed, to run the same again.
    #[arg(long)]
    seed: Option<u64>,
}

const DATABASE: &str = "soak";
/// Offsets are committed every second, so that a crash repeats what flowed in one.
const COMMITS: &str = "offset.flush.interval.ms=1000\n";
/// How long the connector may need to catch up at the end.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Victim {
    Worker,
    Broker,
    WorkerAndBroker,
    Postgres,
    Connections,
}

const VICTIMS: [Victim; 7] = [
    Victim::Worker,
    Victim::Worker,
    Victim::Broker,
    Victim::WorkerAndBroker,
    Victim::Postgres,
    Victim::Connections,
    Victim::Connections,
];

/// Passes connections on to the server, and cuts them all when asked.
struct Proxy {
    port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    fn start(to: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let open = Arc::new(Mutex::new(Vec::new()));
        let registry = Arc::clone(&open);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // While the server is away the client is told so by a closed connection.
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else { continue };
                let _ = pass(&client, &server);
                let _ = pass(&server, &client);
                registry.lock().unwrap_or_else(PoisonError::into_inner).extend([client, server]);
            }
        });
        Ok(Self { port, open })
    }

    fn cut(&self) {
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(from: &TcpStream, to: &TcpStream) -> std::io::Result<()> {
    let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
    Ok(())
}

/// Transactions without end, a script at a time.
fn write(postgres: &Mutex<Postgres>, seed: u64, ends: &AtomicBool, scripts: &AtomicU64) {
    let mut random = StdRng::seed_from_u64(seed);
    while !ends.load(Ordering::Relaxed) {
        let script = load::script(&mut random);
        let client = postgres.lock().unwrap_or_else(PoisonError::into_inner).client();
        // A server that was killed ends the script; what it had committed counts.
        let _ = client.run_script(DATABASE, &script);
        scripts.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(random.random_range(0..60)));
    }
}

/// Runs the soak and prints what was counted.
///
/// # Errors
/// When a change is lost or out of order, a row is not what it should be, or the flow does not end.
#[allow(clippy::print_stdout, reason = "the answer of a command line tool")]
pub fn run(binary: &Path, arguments: &SoakPostgresArguments) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    let mut random = StdRng::seed_from_u64(seed);
    eprintln!("soak of PostgreSQL: {} kills, seed {seed}", arguments.kills);
    let (_scratch, folder) = scratch()?;
    let postgres = Postgres::start(&folder)?;
    let proxy = Proxy::start(postgres.port)?;
    postgres.fresh_database(DATABASE)?;
    postgres.run(DATABASE, load::CREATE)?;
    let mut stage = Stage::start(binary, &folder, Whose::Raccord, COMMITS)?;
    let worker = stage.worker();
    worker.put_connector("soak", &connector(proxy.port))?;
    let begin = Instant::now();
    while !postgres.streams("soak")? {
        if begin.elapsed() > Duration::from_secs(60) {
            bail!("the connector does not stream\n{}", stage.trouble(&["soak"]));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Truth::begin(postgres.client(), DATABASE)?;

    let postgres = Mutex::new(postgres);
    let (ends, scripts) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut counts: BTreeMap<Victim, u32> = BTreeMap::new();
    let begin = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        for writer in 0..2 {
            let (postgres, ends, scripts) = (&postgres, &ends, &scripts);
            scope.spawn(move || write(postgres, seed ^ (writer << 32), ends, scripts));
        }
        let mut killing = || -> Result<()> {
            for kill in 1..=arguments.kills {
                std::thread::sleep(Duration::from_millis(random.random_range(300..3_500)));
                let victim = VICTIMS[random.random_range(0..VICTIMS.len())];
                *counts.entry(victim).or_default() += 1;
                eprintln!("  kill {kill:>3} at {:>6.1}s: {victim:?}", begin.elapsed().as_secs_f64());
                match victim {
                    Victim::Connections => proxy.cut(),
                    Victim::Postgres => {
                        let mut postgres = postgres.lock().unwrap_or_else(PoisonError::into_inner);
                        postgres.kill_hard()?;
                        postgres.start_again()?;
                    }
                    _ => stage.kill(
                        matches!(victim, Victim::Broker | Victim::WorkerAndBroker),
                        matches!(victim, Victim::Worker | Victim::WorkerAndBroker),
                    )?,
                }
            }
            Ok(())
        };
        let outcome = killing();
        ends.store(true, Ordering::Relaxed);
        outcome
    })?;
    let postgres = postgres.into_inner().unwrap_or_else(PoisonError::into_inner);
    let psql = postgres.client();
    let truth = Truth::read(psql, DATABASE)?;
    let kafka = Kafka::new(&stage.bootstrap);
    let (mut changes, mut repeats) = (0, 0);
    for table in load::TABLES {
        let end = Instant::now() + PATIENCE;
        repeats += loop {
            let records = kafka.read(&format!("soak.public.{table}"))?;
            match truth.check(psql, DATABASE, table, &records, false) {
                Ok(repeats) => break repeats,
                Err(Wrong::Late(message)) if Instant::now() > end => {
                    bail!("{message}\n{}", stage.trouble(&["soak"]))
                }
                Err(Wrong::Late(_)) => std::thread::sleep(Duration::from_secs(1)),
                Err(Wrong::Lost(error)) => return Err(error),
            }
        };
        changes += truth.count(table);
    }
    println!(
        "soak of PostgreSQL: seed {seed}, {} kills {counts:?}, {:.0} s: {changes} changes arrived in order, {repeats} \
         records repeated, none lost, rows equal",
        arguments.kills,
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}

fn connector(port: u16) -> Value {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": "127.0.0.1", "database.port": port.to_string(),
        "database.user": "postgres", "database.password": "postgres", "database.dbname": DATABASE,
        "topic.prefix": "soak", "plugin.name": "pgoutput", "slot.name": "soak",
        "key.converter": json, "value.converter": json,
        "key.converter.schemas.enable": "false", "value.converter.schemas.enable": "false",
        "retriable.restart.connector.wait.ms": "300", "slot.retry.delay.ms": "300", "slot.max.retries": "100",
        "status.update.interval.ms": "500", "errors.restart.max.attempts": "-1",
    })
}
