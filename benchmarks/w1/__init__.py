"""W1, "reserve and route": one small work, done by the lane and by what people would use in its place."""
