// SPDX-License-Identifier: Apache-2.0
//! Calls in [`calls`], draws and duties in [`draws`].
mod calls;
mod draws;
