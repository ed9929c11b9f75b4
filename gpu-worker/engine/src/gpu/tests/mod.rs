// SPDX-License-Identifier: Apache-2.0
//! Every operator against `ergon_exact`, on every adapter of this machine.
