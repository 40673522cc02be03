class Containers:
    pass
