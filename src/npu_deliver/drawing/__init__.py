"""How any picture is drawn; knows no experiment."""
