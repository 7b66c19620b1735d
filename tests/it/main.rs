//! Everything that is tested from outside, in one program.
// `cfg(test)` lets helper functions use what clippy.toml allows in tests.

#[cfg(test)]
mod ansible;
#[cfg(test)]
mod asked;
#[cfg(test)]
mod by_hand;
#[cfg(test)]
mod change_of_clocks;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod cli_run;
#[cfg(test)]
mod cli_terminal;
#[cfg(test)]
mod clock;
mod command_line;
#[cfg(test)]
mod company;
#[cfg(test)]
mod conduct;
#[cfg(test)]
mod console;
#[cfg(test)]
mod console_night;
#[cfg(test)]
mod counts;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod crashfs;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod door;
#[cfg(test)]
mod durable_crash;
#[cfg(test)]
mod durable_desk;
#[cfg(test)]
mod durable_faults;
#[cfg(test)]
mod durable_functions;
#[cfg(test)]
mod durable_host;
#[cfg(test)]
mod durable_loss;
#[cfg(test)]
mod durable_model;
#[cfg(test)]
mod durable_power;
#[cfg(test)]
mod durable_race;
#[cfg(test)]
mod durable_ready;
#[cfg(test)]
mod durable_ssh;
#[cfg(test)]
mod durable_wiped;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod edits;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod engine_back;
#[cfg(test)]
mod engine_choices;
#[cfg(test)]
mod engine_durable;
#[cfg(test)]
mod engine_gates;
#[cfg(test)]
mod engine_notices;
#[cfg(test)]
mod engine_unrecorded;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fido;
#[cfg(test)]
mod flood;
#[cfg(test)]
mod for_each;
#[cfg(test)]
mod forecasts;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod gates_headless;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod host_proof;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod io_errors;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod known_hosts;
#[cfg(test)]
mod languages;
#[cfg(test)]
mod mailbox;
#[cfg(test)]
mod manner;
#[cfg(test)]
mod memdisk;
#[cfg(test)]
mod moves;
#[cfg(test)]
mod moves_back;
#[cfg(test)]
mod moves_http;
#[cfg(test)]
mod moves_runbook;
#[cfg(test)]
mod network;
#[cfg(test)]
mod night;
#[cfg(test)]
mod nonsense;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod objectives;
#[cfg(test)]
mod operated;
#[cfg(test)]
mod parallel;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod practice;
#[cfg(test)]
mod practice_durable;
#[cfg(test)]
mod practice_runbooks;
#[cfg(test)]
mod preflight;
#[cfg(test)]
mod probes;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod properties_back;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod pty;
#[cfg(test)]
mod readiness;
#[cfg(test)]
mod reconcile;
#[cfg(test)]
mod redact;
#[cfg(test)]
mod replans;
#[cfg(test)]
mod report;
#[cfg(test)]
mod runbook;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod screen;
#[cfg(test)]
mod screen_gates;
#[cfg(test)]
mod screen_keys;
#[cfg(test)]
mod screen_timeline;
#[cfg(test)]
mod screen_unrecorded;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod session;
#[cfg(test)]
mod shells;
#[cfg(test)]
mod signing;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod sk_agent;
#[cfg(test)]
mod snippets;
#[cfg(test)]
mod ssh;
#[cfg(test)]
mod ssh_keys;
#[cfg(test)]
mod ssh_stop;
#[cfg(test)]
mod ssh_ways;
#[cfg(test)]
mod sshd;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod translated;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod unreadable;
#[cfg(test)]
mod unrecorded;
#[cfg(test)]
mod verify_http;
#[cfg(test)]
mod voices;
#[cfg(test)]
mod waves;
#[cfg(test)]
mod websites;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod witness;
