//! Benchmarks: programs to run, never timed tests. README.md says how, and what the peers need.

mod disk;
mod load;
mod measures;

use clap::{Parser, Subcommand};
use std::time::Duration;

/// Measures a host that it starts on an empty data folder (build it first: `make build`), or any other server.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,

    /// How often to measure; the median is what counts.
    #[arg(long, default_value_t = 3, global = true)]
    runs: u32,
}

#[derive(Debug, Subcommand)]
enum What {
    /// GET of `Hello`: a fresh function instance for each request.
    Hello(Load),
    /// Whole `HelloSequence` orchestrations, three activities each: from the start to the output.
    Sequence(Load),
    /// `HttpStartSingle` and `HelloSequence` alone, beside the syncs of the disk.
    Latency,
    /// Memory of 10,000 orchestrations that wait for an event.
    Waiting {
        /// How many.
        #[arg(long, default_value_t = 10_000)]
        instances: usize,
    },
    /// From the start of the process to its first answered request, with compiled functions in the cache.
    Startup,
    /// The replay gate: 100 finished fan-outs of 1,000 activities and 1,000 waiting instances.
    Gate,
    /// A peer: any URL.
    Url {
        /// `http://HOST:PORT/PATH`; `{id}` becomes another number in each request.
        url: String,
        /// POST this body instead of GET.
        #[arg(long)]
        body: Option<String>,
        #[command(flatten)]
        load: Load,
    },
}

/// How much to ask for.
#[derive(Debug, Clone, clap::Args)]
struct Load {
    /// Connections, each with one request under way.
    #[arg(long, short, default_value_t = 64)]
    connections: usize,
    /// How long.
    #[arg(long, short, default_value_t = 5)]
    seconds: u64,
}

impl Load {
    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

#[tokio::main]
async fn main() {
    let cli = Cli::parse();
    for run in 1..=cli.runs {
        let measured = match &cli.what {
            What::Hello(load) => measures::hello(load.connections, load.duration()).await,
            What::Sequence(load) => measures::sequence(load.connections, load.duration()).await,
            What::Latency => measures::latency().await,
            What::Waiting { instances } => measures::waiting(*instances).await,
            What::Startup => measures::startup().await,
            What::Gate => measures::gate().await,
            What::Url { url, body, load } => {
                measures::url(url, body.as_deref(), load.connections, load.duration()).await
            }
        };
        println!("run {run}: {measured}");
    }
}
