//! Fakes of every port, and a harness that runs the real programs.
