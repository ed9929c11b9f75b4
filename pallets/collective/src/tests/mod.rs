// SPDX-License-Identifier: Apache-2.0
mod attacks;
mod delegation;
mod enactment;
mod life_cycle;
mod members;
mod properties;
mod submission;
mod unreadable;
mod voting;
