"""What `import mlphys` offers to notebooks and programs."""

from mlphys.notebook.comparison import Comparison, compare
from mlphys.notebook.run import Run, load_run
from mlphys.notebook.study import Study, load_study
from mlphys.notebook.training import resume, sweep, train

__all__ = ["Comparison", "Run", "Study", "compare", "load_run", "load_study", "resume", "sweep", "train"]
