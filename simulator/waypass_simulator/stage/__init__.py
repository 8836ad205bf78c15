"""The living demonstration's one front door: the stage page, and every program of the run behind one origin."""
