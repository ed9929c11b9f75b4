// SPDX-License-Identifier: Apache-2.0
mod agenda;
mod answer;
mod assignment;
mod attacks;
mod audit;
mod due;
mod fairness;
mod flood;
mod obligations;
mod probation;
mod properties;
mod quota;
mod reveal;
mod submit;
mod unreadable;
