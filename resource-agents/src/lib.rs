//! Resource agents and STONITH plug-ins in one multi-call program.
