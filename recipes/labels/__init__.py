"""Labels of several people or rules, combined; and labels that are probably wrong."""
