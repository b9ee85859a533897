"""How users move over cells: geometry, walks, traces, next-cell prediction and the migration problem on a hex disc."""
