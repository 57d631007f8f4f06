"""The canaries lane: observe a canary and its objects, let the machine decide, apply its effects, write the status last."""
