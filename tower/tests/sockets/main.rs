//! The layers over real sockets: HTTP/1.1, HTTP/2 and gRPC.

mod deadlines;
mod disconnect;
mod grpc;
mod load;
mod shutdown;
mod support;
