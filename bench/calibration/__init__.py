"""Does the diagnosis find what is wrong? More than two hundred nets, healthy and sick, and their confusion matrix."""
