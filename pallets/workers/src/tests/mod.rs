// SPDX-License-Identifier: Apache-2.0
//! Calls in [`calls`], registering by a ticket in [`joining`], draws and duties in [`draws`], whatever may come in whatever order in [`histories`].
mod calls;
mod draws;
mod histories;
mod joining;
mod probation;
