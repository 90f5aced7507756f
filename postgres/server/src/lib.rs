//! A PostgreSQL server of its own: data directory, loopback, a free port, an ordinary user.
//!
//! The server ends with its [`Server`], or with this process, however the process ends: a shell keeps it, and the
//! shell reads from a pipe that the system closes.

#![cfg(unix)]

mod programs;

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use programs::Programs;

/// The name of the superuser, and of the superuser's database.
const USER: &str = "cancelable";
/// Only this machine can connect, and the server lives for minutes.
const PASSWORD: &str = "private";
/// How long a start may take on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How often a start is tried with another port, if another program takes the port first.
const ATTEMPTS: usize = 5;

/// Starts the server, waits for a line or the end of the pipe, and stops the server as a crash would. If the pipe ended
/// without a line, this process was killed, and the shell removes the directory.
const KEEPER: &str = r#"
directory=$1; shift
"$@" < /dev/null & server=$!
read -r line; kept=$?
kill -QUIT $server; wait $server
[ $kept = 0 ] || rm -rf "$directory"
"#;

/// Settings for a server that is thrown away. Without `fsync`, what was committed still survives a crash of the
/// server, but not one of the machine.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 60
fsync = off
full_page_writes = off
shared_buffers = 64MB
timezone = 'UTC'
log_timezone = 'UTC'
";

/// A running PostgreSQL server, stopped and removed when it is dropped.
#[derive(Debug)]
pub struct Server {
    programs: Programs,
    directory: TempDir,
    port: u16,
    keeper: Option<Child>,
}

impl Server {
    /// Installs the programs if they are missing and this process may, makes a data directory, and starts the server.
    ///
    /// # Errors
    ///
    /// If the programs are missing, the error names the script that installs them. If a program fails, the error
    /// has what the program printed.
    pub fn start() -> io::Result<Server> {
        Server::start_with("")
    }

    /// Starts a server with further lines of `postgresql.conf`.
    ///
    /// # Errors
    ///
    /// See [`start`](Server::start).
    pub fn start_with(settings: &str) -> io::Result<Server> {
        let programs = Programs::find()?;
        let directory = tempfile::Builder::new().prefix("postgres-").tempdir()?;
        programs.give(directory.path())?;
        let mut server = Server { programs, directory, port: 0, keeper: None };
        server.create()?;
        let file = server.data().join("postgresql.conf");
        fs::write(file, format!("{SETTINGS}{settings}\n"))?;
        for attempt in 1.. {
            server.port = free_port()?;
            match server.launch() {
                Ok(()) => break,
                Err(_) if attempt < ATTEMPTS => server.end_keeper(),
                Err(error) => return Err(error),
            }
        }
        Ok(server)
    }

    /// Returns the port on `127.0.0.1`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Returns the connection string of the superuser, for the superuser's database.
    pub fn url(&self) -> String {
        self.url_of(USER)
    }

    /// Returns the connection string of the superuser for another database.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Stops the server as a crash would: connections are cut, nothing is written. [`restart`](Server::restart)
    /// recovers what was committed.
    ///
    /// # Errors
    ///
    /// If `pg_ctl` fails.
    pub fn crash(&mut self) -> io::Result<()> {
        let data = self.data();
        let mut stop = self.programs.command("pg_ctl");
        stop.args(["stop", "--mode=immediate", "--wait", "--silent", "-D"]);
        let stopped = run("pg_ctl", stop.arg(data));
        self.end_keeper();
        stopped
    }

    /// Writes a file into the data directory, which only the server can read. Settings may refer to it after the next start.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let file = self.data().join(name);
        fs::write(&file, content)?;
        fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        self.programs.give(&file)
    }

    /// Starts the server again, on the same port.
    ///
    /// # Errors
    ///
    /// If the server does not start. The error has the end of its log.
    pub fn restart(&mut self) -> io::Result<()> {
        self.end_keeper();
        self.launch()
    }

    fn create(&self) -> io::Result<()> {
        let password = self.directory.path().join("password");
        fs::write(&password, PASSWORD)?;
        self.programs.give(&password)?;
        let mut create = self.programs.command("initdb");
        create.args(["--no-sync", "--encoding=UTF8", "--no-locale"]);
        create.args(["--auth=scram-sha-256", "--username", USER, "--pwfile"]);
        run("initdb", create.arg(password).arg("-D").arg(self.data()))?;
        let mut database = self.programs.command("postgres");
        database.args(["--single", "-j", "-D"]).arg(self.data());
        let input = self.directory.path().join("create.sql");
        fs::write(&input, format!("CREATE DATABASE {USER};\n\n"))?;
        run("postgres", database.arg("postgres").stdin(File::open(input)?))
    }

    fn launch(&mut self) -> io::Result<()> {
        let log = File::create(self.log())?;
        let server = self.programs.command("postgres");
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(self.directory.path());
        keeper.arg(server.get_program()).args(server.get_args());
        keeper.arg("-D").arg(self.data());
        keeper.arg("-p").arg(self.port.to_string());
        let keeper = keeper
            .current_dir(self.directory.path())
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.keeper = Some(keeper);
        self.wait_until_ready()
    }

    /// Waits until the server writes that it is ready, into the file that it removes when it ends.
    fn wait_until_ready(&self) -> io::Result<()> {
        let began = Instant::now();
        loop {
            let state = fs::read_to_string(self.data().join("postmaster.pid"));
            if state.is_ok_and(|state| state.lines().nth(7).is_some_and(|s| s.trim() == "ready")) {
                return Ok(());
            }
            let log = fs::read_to_string(self.log())?;
            if began.elapsed() > START_LIMIT || log.lines().any(is_end) {
                let end: Vec<_> = log.lines().rev().take(5).collect();
                let end = end.into_iter().rev().collect::<Vec<_>>().join("; ");
                return Err(io::Error::other(format!("postgres did not start: {end}")));
            }
            sleep(Duration::from_millis(10));
        }
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// Ends the shell, which ends the server.
    fn end_keeper(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            if let Some(mut pipe) = keeper.stdin.take() {
                _ = pipe.write_all(b"end\n");
            }
            _ = keeper.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end_keeper();
    }
}

/// Returns whether a line of the log says why the server ended. Clients that come too early get another one.
fn is_end(line: &str) -> bool {
    line.contains("FATAL:") && !line.contains("the database system is")
}

fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Runs a program. If it fails, the error contains its output.
fn run(name: &str, command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let printed = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{name} failed: {}", printed.trim())))
}
