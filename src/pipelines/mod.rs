//! Floor 7: DAGs, schedules, task supervisors.
